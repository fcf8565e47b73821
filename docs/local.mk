# Documentation that is shipped, and the worked examples, which are compiled and run.
EXTRA_DIST += docs/report.png docs/adding-a-space-block.md docs/adding-a-device.md docs/adding-a-predictor.md docs/adding-a-searcher.md docs/searchers.md docs/predictors.md docs/formats/latency-set.md docs/formats/predictor-model.md \
	docs/formats/bundle.md docs/formats/experiment.md docs/formats/run-folder.md docs/formats/space.md docs/space-language.md
check_PROGRAMS += docs/examples/t_examples
docs_examples_t_examples_SOURCES = docs/examples/t_examples.c docs/examples/block_sepconv.c docs/examples/device_permac.c \
	docs/examples/predictor_mean.c docs/examples/searcher_walk.c
