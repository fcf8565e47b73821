# The operator graph: shapes, costs (with peak memory from liveness), hash, plans, batch-norm folding.
lathe_lib_sources += \
	src/graph/ops.h src/graph/ops.c src/graph/graph.c src/graph/build.c src/graph/build_seq.c \
	src/graph/shape.c src/graph/shape_seq.c src/graph/print.c src/graph/hash.c \
	src/graph/plan.c src/graph/weights.c src/graph/fold.c src/graph/cost.c src/graph/convention.c
lathe_public_headers += src/lathe/graph.h src/lathe/cost.h
