# Searchers.
lathe_lib_sources += \
	search/searchers.def search/searcher.c search/goal.c search/explore.h search/explore.c \
	search/front.h search/front.c search/hypervolume.h search/hypervolume.c search/breeder.h search/breeder.c \
	search/refpoints.h search/refpoints.c search/random.c search/evolution.c search/aging.c search/nsga2.c search/nsga3.c \
	search/dense.h search/dense.c search/warp.h search/warp.c search/surrogate.h search/surrogate.c \
	search/linas.h search/linas.c search/linas_inner.c search/linas_select.c
lathe_lib_sources += search/additive.h search/additive.c search/bisection.h search/bisection.c search/bisection_assemble.c search/exact.c search/reinforce.c
lathe_public_headers += src/lathe/searcher.h
