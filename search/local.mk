# Searchers.
lathe_lib_sources += \
	search/searchers.def search/searcher.c search/goal.c search/explore.h search/explore.c search/random.c search/evolution.c
lathe_public_headers += src/lathe/searcher.h
