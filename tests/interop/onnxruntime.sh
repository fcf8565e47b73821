#!/bin/sh
# TAP: exported models give the same numbers in ONNX Runtime. Skipped, with the reason, where a package or ONNX itself is missing.
python=${LT_PYTHON:-python3}
here=${LT_SRCDIR:-.}/tests/interop
gen=${LT_BUILDDIR:-.}/tests/interop/gen_bundles
count=${LT_INTEROP_COUNT:-40}
seed=${LT_INTEROP_SEED:-7}

if ! why=$("$python" -c 'import numpy, onnx, onnxruntime' 2>&1); then
    echo "1..0 # SKIP $python: $(echo "$why" | tail -n 1)"
    exit 0
fi
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
why=$("$gen" "$dir" "$count" "$seed" 2>&1)
case $? in
0) ;;
77) echo "1..0 # SKIP $why"; exit 0 ;;
*) echo "1..1"; echo "not ok 1 - gen_bundles: $why"; exit 1 ;;
esac
echo "# seed $seed"
"$python" "$here/check_onnx.py" "$dir" "$count"
