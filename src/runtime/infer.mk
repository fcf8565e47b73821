# INFER sessions.
lathe_lib_sources += \
	src/runtime/infer_priv.h src/runtime/infer.c src/runtime/infer_plan.c src/runtime/infer_ops.c \
	src/runtime/infer_conv.c src/runtime/infer_kernel.c
lathe_public_headers += src/lathe/infer_profile.h
