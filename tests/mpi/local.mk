# Tests: mpi.
lathe_test_scripts += tests/mpi/run_np.sh
lathe_test_helpers += tests/mpi/t_comm_mpi
tests_mpi_t_comm_mpi_SOURCES = tests/mpi/t_comm_mpi.c
