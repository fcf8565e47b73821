#!/bin/sh
# Networks that `lathe space export` writes give the same logits in ONNX Runtime, and have as many parameters as `space show` says. Skipped, with the
# reason, without Python packages or ONNX. LT_PYTHON: the interpreter. LT_EXPORT_SPACES: only these spaces.
# LT_EXPORT_N: random networks of a space [1].
. "${LT_SRCDIR:-$(dirname "$0")/../..}/tests/cli/tap.sh"
python=${LT_PYTHON:-python3}
case " ${LT_WITH-protobuf-c} " in *" protobuf-c "*) ;; *) echo "1..0 # SKIP this build writes no ONNX"; exit 0 ;; esac
if ! why=$("$python" -c 'import numpy, onnx, onnxruntime' 2>&1); then
    echo "1..0 # SKIP $python: $(echo "$why" | tail -n 1)"
    exit 0
fi
cat > "$tmp/check.py" <<'END'
"""MODEL SAMPLE EXPORT: parameter values and logits agree; float sums in another order differ by 1e-6 to 2e-5 of the largest logit."""
import json
import sys

import numpy as np
import onnx
import onnxruntime as ort

model, sample, export = sys.argv[1], json.load(open(sys.argv[2])), json.load(open(sys.argv[3]))
m = onnx.load(model)
onnx.checker.check_model(m, full_check=True)
# batch norm is folded: what the file holds is what the folded network has; constants such as masks have other names
names = (".weight", ".bias", ".gamma", ".beta")
values = sum(int(np.prod(t.dims)) for t in m.graph.initializer if t.data_type == onnx.TensorProto.FLOAT and t.name.endswith(names))
if values != export["values"]:
    sys.exit("%d float values in the file, %d in the network" % (values, export["values"]))
x = np.array(sample["input"], np.float32).reshape(sample["shape"])
o = ort.SessionOptions()
o.intra_op_num_threads = 1
o.log_severity_level = 3
got = ort.InferenceSession(model, o, providers=["CPUExecutionProvider"])
got = got.run(None, {got.get_inputs()[0].name: x})[0].reshape(-1)
want = np.array(sample["logits"], np.float32)
diff = float(np.abs(got - want).max() / max(np.abs(want).max(), 1e-30))
print("# %s: %.2e of the largest logit, %d values" % (export["arch"][:60], diff, values))
if got.shape != want.shape or not np.isfinite(want).all() or np.ptp(want) == 0 or diff > 1e-4:
    sys.exit("logits differ by %.3g of the largest (%s)" % (diff, want[:4]))
END
cd "$LT_SRCDIR" || exit 99
# network SPACE ARCH NAME
network() {
    "$lathe" space export "$1" "$2" -o "$tmp/net.onnx" --sample "$tmp/sample.json" --seed 5 --json > "$tmp/export" 2> "$tmp/err"
    ok $? "$3 is exported" "$tmp/err"
    "$python" "$tmp/check.py" "$tmp/net.onnx" "$tmp/sample.json" "$tmp/export" > "$tmp/out" 2>&1
    got=$?
    grep '^#' "$tmp/out"
    ok $got "$3 gives the same logits" "$tmp/out"
}
# given_weights SPACE ARCH: one NumPy file a parameter
given_weights() {
    mkdir -p "$tmp/weights"
    "$lathe" space show "$1" "$2" --json > "$tmp/show" 2> "$tmp/err"
    "$python" - "$tmp/show" "$tmp/weights" > "$tmp/out" 2>&1 <<'END'
import json, sys
import numpy as np
rng = np.random.default_rng(3)
for p in json.loads(open(sys.argv[1]).readline())["parameters"]:
    # variances must be positive; the rest may be anything
    np.save("%s/%s.npy" % (sys.argv[2], p["name"]), (0.1 + rng.random(p["shape"])).astype("<f4"))
END
    ok $? "weights for $1 are made" "$tmp/out"
    "$lathe" space export "$1" "$2" -o "$tmp/net.onnx" --weights "$tmp/weights" --sample "$tmp/sample.json" --json > "$tmp/export" 2> "$tmp/err"
    ok $? "$1 is exported with given weights" "$tmp/err"
    "$python" "$tmp/check.py" "$tmp/net.onnx" "$tmp/sample.json" "$tmp/export" > "$tmp/out" 2>&1
    ok $? "it gives the same logits" "$tmp/out"
    "$python" - "$tmp/net.onnx" "$tmp/weights/fc.weight.npy" > "$tmp/out" 2>&1 <<'END'
import sys
import numpy as np
import onnx
from onnx import numpy_helper
held = {t.name: numpy_helper.to_array(t) for t in onnx.load(sys.argv[1]).graph.initializer}
sys.exit(0 if np.array_equal(held["fc.weight"], np.load(sys.argv[2])) else str(sorted(held)))
END
    ok $? "and the classifier's weights are the given ones" "$tmp/out"
    "$python" -c 'import sys, numpy as np; np.save(sys.argv[1], np.zeros((3, 3), "<f4"))' "$tmp/weights/fc.weight.npy"
    code 2 "weights of another size are refused" "$lathe" space export "$1" "$2" -o "$tmp/other.onnx" --weights "$tmp/weights"
    says "$tmp/err" "fc.weight.npy" "the file is named"
}
given_weights tiny smallest
# With LT_LONG every shipped space, else those of small networks.
[ -n "$LT_EXPORT_SPACES" ] || LT_EXPORT_SPACES="tiny mobile32 nasbench201 darts mnasnet mobiledets vit"
[ -z "$LT_LONG" ] || LT_EXPORT_SPACES=$(cd spaces && echo *.yaml | sed 's/\.yaml//g')
for s in $LT_EXPORT_SPACES; do
    network "$s" smallest "smallest $s"
    [ -n "$LT_LONG" ] || case $s in tiny | nasbench201 | darts) ;; *) continue ;; esac
    "$lathe" space sample "$s" -n "${LT_EXPORT_N:-1}" --seed 9 > "$tmp/archs" 2> "$tmp/err"
    ok $? "$s is sampled" "$tmp/err"
    i=0
    while IFS= read -r arch; do
        i=$((i + 1))
        network "$s" "$arch" "$s $i"
    done < "$tmp/archs"
done
network nasbench201 'nasbench201:|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|' "a cell with an edge that reaches nothing"
network nasbench201 'nasbench201:|none~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|none~0|avg_pool_3x3~1|skip_connect~2|' "a cell whose edges read zeros"
finish
