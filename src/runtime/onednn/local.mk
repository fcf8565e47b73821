# Room: the only folder that knows oneDNN.
lathe_dnnl_sources += \
	src/runtime/onednn/dnnl_compat.h src/runtime/onednn/dnnl_util.h src/runtime/onednn/dnnl_util.c src/runtime/onednn/conv_train.c \
	src/runtime/onednn/infer_conv.c
lathe_dnnl_sources += src/runtime/onednn/infer_compat.h
