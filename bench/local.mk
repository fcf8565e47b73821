# Benchmarks: they print ratios against a named baseline.
lathe_bench_programs += bench/bench_kernels
bench_bench_kernels_SOURCES = bench/bench_kernels.c
lathe_bench_programs += bench/bench_train_step
bench_bench_train_step_SOURCES = bench/bench_train_step.c
