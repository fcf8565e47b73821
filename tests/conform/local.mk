# Tests: conform.
check_PROGRAMS += tests/conform/t_infer tests/conform/t_devices
tests_conform_t_infer_SOURCES = tests/conform/t_infer.c tests/conform/infer_eval.h tests/conform/infer_eval_seq.h
check_PROGRAMS += tests/conform/t_infer_seq
tests_conform_t_infer_seq_SOURCES = tests/conform/t_infer_seq.c tests/conform/infer_eval.h tests/conform/infer_eval_seq.h
tests_conform_t_devices_SOURCES = tests/conform/t_devices.c
check_PROGRAMS += tests/conform/t_predictors tests/conform/t_searchers
tests_conform_t_predictors_SOURCES = tests/conform/t_predictors.c
tests_conform_t_searchers_SOURCES = tests/conform/t_searchers.c
check_PROGRAMS += tests/conform/t_backends
tests_conform_t_backends_SOURCES = tests/conform/t_backends.c tests/train_net.h
