# Room: status, memory, buffers, random numbers, files, text formats, statistics.
lathe_public_headers += src/lathe/status.h src/lathe/mem.h src/lathe/buf.h src/lathe/rng.h src/lathe/rng_gsl.h src/lathe/yaml.h src/lathe/opt.h src/lathe/json.h \
  src/lathe/csv.h src/lathe/file.h src/lathe/stats.h src/lathe/ui.h
lathe_lib_sources += src/base/err.c src/base/mem.c src/base/arena.c src/base/buf.c src/base/rng.c src/base/rng_gsl.c \
  src/base/hash.c src/base/file_read.c src/base/file_write.c src/base/json_read.c src/base/json_write.c src/base/csv.c src/base/stats.c src/base/ui.c \
  src/base/utf8.h src/base/yaml_text.h src/base/yaml.c src/base/yaml_emit.c src/base/nearest.c src/base/unit.c src/base/opt.c
lathe_lib_sources += src/base/knapsack_priv.h src/base/knapsack.c src/base/knapsack_list.c
lathe_public_headers += src/lathe/knapsack.h
