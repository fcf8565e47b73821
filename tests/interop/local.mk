# Tests: interop.
lathe_test_scripts += tests/interop/onnxruntime.sh
lathe_test_helpers += tests/interop/gen_bundles
tests_interop_gen_bundles_SOURCES = tests/interop/gen_bundles.c tests/interop/random_net.h tests/interop/random_seq.h
EXTRA_DIST += tests/interop/check_onnx.py
