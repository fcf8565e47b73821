# Tests: kat.
check_PROGRAMS += tests/kat/t_golden_costs
tests_kat_t_golden_costs_SOURCES = tests/kat/t_golden_costs.c
