# Tests: mpi.
