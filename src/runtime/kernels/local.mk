# Our own f32 kernels: one .c per instruction set, chosen at run time; their pragmas stand for compiler flags.
lathe_lib_sources += \
	src/runtime/kernels/kernels.h src/runtime/kernels/kernels.c src/runtime/kernels/ref.c src/runtime/kernels/conv.c src/runtime/kernels/norm.c \
	src/runtime/kernels/tables.h src/runtime/kernels/table_impl.h src/runtime/kernels/vec.h src/runtime/kernels/dwconv_impl.h \
	src/runtime/kernels/channel_impl.h src/runtime/kernels/flat_impl.h src/runtime/kernels/gemm_impl.h src/runtime/kernels/seq_impl.h \
	src/runtime/kernels/kernels_generic.c src/runtime/kernels/kernels_avx2.c src/runtime/kernels/kernels_avx512.c
