# Room: ONNX models; needs protobuf-c. The messages' C code is made from onnx.proto in the build directory.
lathe_lib_sources += \
	src/graph/quantize.h src/graph/onnx/onnx_model.h src/graph/onnx/onnx_model.c src/graph/onnx/onnx_writer.h \
	 src/graph/onnx/onnx_write.c src/graph/onnx/onnx_ops.c src/graph/onnx/onnx_attention.c
lathe_public_headers += src/lathe/onnx.h
EXTRA_DIST += src/graph/onnx/onnx.proto
if LT_WITH_PROTOBUF_C
nodist_liblathe_a_SOURCES = src/graph/onnx/onnx.pb-c.c
BUILT_SOURCES += src/graph/onnx/onnx.pb-c.h
CLEANFILES += src/graph/onnx/onnx.pb-c.h src/graph/onnx/onnx.pb-c.c
src/graph/onnx/onnx.pb-c.h: $(srcdir)/src/graph/onnx/onnx.proto
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(PROTOC_C) --proto_path=$(srcdir)/src/graph/onnx --c_out=$(@D) $(srcdir)/src/graph/onnx/onnx.proto
src/graph/onnx/onnx.pb-c.c: src/graph/onnx/onnx.pb-c.h
src/graph/onnx/onnx_model.$(OBJEXT) src/graph/onnx/onnx_write.$(OBJEXT) src/graph/onnx/onnx_ops.$(OBJEXT) \
	src/graph/onnx/onnx_attention.$(OBJEXT): src/graph/onnx/onnx.pb-c.h
endif
