# Benchmarks: they print ratios against a named baseline.
lathe_bench_programs += bench/bench_kernels
bench_bench_kernels_SOURCES = bench/bench_kernels.c
lathe_bench_programs += bench/bench_train_step
bench_bench_train_step_SOURCES = bench/bench_train_step.c
lathe_bench_programs += bench/bench_engine
bench_bench_engine_SOURCES = bench/bench_engine.c
bench_bench_engine_CPPFLAGS = $(AM_CPPFLAGS) -DLT_BENCH_SRCDIR='"$(abs_top_srcdir)"'
lathe_bench_programs += bench/bench_predictor
bench_bench_predictor_SOURCES = bench/bench_predictor.c bench/bench_predictor.h bench/bench_predictor_hat.c
bench_bench_predictor_CPPFLAGS = $(AM_CPPFLAGS) -DBENCH_SRCDIR='"$(abs_top_srcdir)"'

# Latency predictors on published tables; needs them, and takes minutes (BENCH_ARGS=--quick: one).
bench-predictor: bench/bench_predictor
	./bench/bench_predictor $(BENCH_ARGS)
.PHONY: bench-predictor
lathe_bench_programs += bench/bench_space
bench_bench_space_SOURCES = bench/bench_space.c

# Sampling with costs from tables of blocks, against expanding every network.
bench-space: bench/bench_space
	./bench/bench_space $(abs_top_srcdir)/spaces/ofa-mobilenetv3.yaml
.PHONY: bench-space
lathe_bench_programs += bench/bench_graph
bench_bench_graph_SOURCES = bench/bench_graph.c
.PHONY: bench-graph
bench-graph: bench/bench_graph
	./bench/bench_graph
lathe_bench_search_programs += bench/bench_engine
lathe_bench_search_programs += bench/bench_search
lathe_bench_programs += bench/bench_search
bench_bench_search_SOURCES = bench/bench_search.h bench/bench_search.c bench/bench_search_run.c bench/bench_search_speed.c \
	bench/bench_search_budgets.c bench/bench_search_fronts.c
bench_bench_search_CPPFLAGS = $(AM_CPPFLAGS) -DLT_BENCH_SRCDIR='"$(abs_top_srcdir)"'
