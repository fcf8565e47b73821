lathe_dnnl_sources += src/runtime/onednn/infer_conv.c
