# Tests: conform.
check_PROGRAMS += tests/conform/t_infer tests/conform/t_devices
tests_conform_t_infer_SOURCES = tests/conform/t_infer.c
tests_conform_t_devices_SOURCES = tests/conform/t_devices.c
check_PROGRAMS += tests/conform/t_predictors tests/conform/t_searchers
tests_conform_t_predictors_SOURCES = tests/conform/t_predictors.c
tests_conform_t_searchers_SOURCES = tests/conform/t_searchers.c
