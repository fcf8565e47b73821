# Tests: grad.
check_PROGRAMS += tests/grad/t_grad_ops
tests_grad_t_grad_ops_SOURCES = tests/grad/t_grad_ops.c tests/train_net.h
# the networks of predictors/ once more, in double precision
check_PROGRAMS += tests/grad/t_grad_predictors
tests_grad_t_grad_predictors_SOURCES = tests/grad/t_grad_predictors.c predictors/nn.c predictors/nn_ops.c predictors/nn_attend.c predictors/nn_hessian.c \
	predictors/nn_learn.c predictors/help_net.c
tests_grad_t_grad_predictors_CPPFLAGS = $(AM_CPPFLAGS) -DLT_NN_DOUBLE
