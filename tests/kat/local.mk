# Tests: kat.
check_PROGRAMS += tests/kat/t_golden_costs
tests_kat_t_golden_costs_SOURCES = tests/kat/t_golden_costs.c
check_PROGRAMS += tests/kat/t_kat_cells
tests_kat_t_kat_cells_SOURCES = tests/kat/t_kat_cells.c
check_PROGRAMS += tests/kat/t_kat_conv
tests_kat_t_kat_conv_SOURCES = tests/kat/t_kat_conv.c tests/unit/shipped_spaces.h
check_PROGRAMS += tests/kat/t_kat_tokens
tests_kat_t_kat_tokens_SOURCES = tests/kat/t_kat_tokens.c
