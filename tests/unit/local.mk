# Tests: unit.
check_PROGRAMS += tests/unit/t_graph tests/unit/t_cost tests/unit/t_fold tests/unit/t_space
tests_unit_t_graph_SOURCES = tests/unit/t_graph.c
tests_unit_t_cost_SOURCES = tests/unit/t_cost.c
tests_unit_t_fold_SOURCES = tests/unit/t_fold.c
tests_unit_t_space_SOURCES = tests/unit/t_space.c
check_PROGRAMS += tests/unit/t_onnx tests/unit/t_deploy tests/unit/t_quant
tests_unit_t_onnx_SOURCES = tests/unit/t_onnx.c tests/interop/random_net.h
tests_unit_t_deploy_SOURCES = tests/unit/t_deploy.c
tests_unit_t_quant_SOURCES = tests/unit/t_quant.c
lathe_test_scripts += tests/check_includes.sh
check_PROGRAMS += tests/unit/t_kernels_dw tests/unit/t_kernels_channel tests/unit/t_kernels_flat tests/unit/t_kernels_gemm
tests_unit_t_kernels_dw_SOURCES = tests/unit/t_kernels_dw.c tests/unit/t_kernels.h
tests_unit_t_kernels_channel_SOURCES = tests/unit/t_kernels_channel.c tests/unit/t_kernels.h
tests_unit_t_kernels_flat_SOURCES = tests/unit/t_kernels_flat.c tests/unit/t_kernels.h
tests_unit_t_kernels_gemm_SOURCES = tests/unit/t_kernels_gemm.c tests/unit/t_kernels.h
