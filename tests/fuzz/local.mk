# Tests: fuzz.
check_PROGRAMS += tests/fuzz/t_fuzz_base
tests_fuzz_t_fuzz_base_SOURCES = tests/fuzz/t_fuzz_base.c
check_PROGRAMS += tests/fuzz/t_fuzz_files
tests_fuzz_t_fuzz_files_SOURCES = tests/fuzz/t_fuzz_files.c
