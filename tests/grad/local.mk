# Tests: grad.
check_PROGRAMS += tests/grad/t_grad_ops
tests_grad_t_grad_ops_SOURCES = tests/grad/t_grad_ops.c tests/train_net.h
