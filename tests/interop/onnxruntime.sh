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
echo "# seed $seed"
next=1
for backend in reference auto; do
    mkdir "$dir/$backend"
    why=$("$gen" "$dir/$backend" "$count" "$seed" "$backend" 2>&1)
    case $? in
    0) ;;
    77) echo "1..0 # SKIP $why"; exit 0 ;;
    *) echo "not ok $next - gen_bundles $backend: $why"; echo "1..$next"; exit 1 ;;
    esac
    "$python" "$here/check_onnx.py" "$dir/$backend" "$count" "$backend" "$next" >"$dir/out" 2>"$dir/err" || {
        cat "$dir/out"
        echo "Bail out! check_onnx.py: $(tail -n 1 "$dir/err")"
        exit 1
    }
    cat "$dir/out"
    next=$(sed -n 's/^# next //p' "$dir/out")
done
echo "1..$((next - 1))"
