# Room: running a graph, forward and backward.
lathe_lib_sources += \
	src/runtime/session_priv.h src/runtime/session.c src/runtime/backend.c src/runtime/backends.def src/runtime/describe.c \
	src/runtime/gemm.h src/runtime/gemm.c src/runtime/xent.c \
	src/runtime/train_priv.h src/runtime/train_steps.c src/runtime/train_place.c src/runtime/train_plan.c src/runtime/train_forward.c \
	src/runtime/train_backward.c src/runtime/train_session.c src/runtime/train_dense.c src/runtime/train_move.c \
	src/runtime/infer_priv.h src/runtime/infer.c src/runtime/infer_steps.h src/runtime/infer_steps.c src/runtime/infer_plan.c src/runtime/infer_ops.c src/runtime/infer_conv.c \
	src/runtime/infer_kernel.c src/runtime/infer_seq.h src/runtime/infer_seq.c src/runtime/infer_move.c src/runtime/attention.c \
	src/runtime/attention_plain.c
lathe_public_headers += src/lathe/runtime.h src/lathe/infer_profile.h
