"""Checks deployment bundles with the onnx package and ONNX Runtime; prints TAP. Usage: check_onnx.py DIR COUNT LABEL FIRST

LABEL goes before each name; FIRST is the number of the first check; the last line printed is "# next" and the number that follows.

f32: logits within 2e-5 of the largest logit (float sums in another order). seq is f32 too: operators that move values and operators on tokens. int8, with the runtime's graph optimizations off: the same
arithmetic, but x / scale may land on the other side of a rounding tie, and one step of one activation is up to 1/127 of its range. The bounds are in
TOLERANCE; an equal argmax is asked for where lathe's two best logits differ by more than twice the bound.
"""
import os
import struct
import sys

import numpy as np
import onnx
import onnxruntime as ort

TOLERANCE = {("f32", "off"): 2e-5, ("f32", "on"): 2e-5, ("int8", "off"): 0.02, ("int8", "on"): 0.02, ("seq", "off"): 2e-5, ("seq", "on"): 2e-5}
LEVEL = {"off": ort.GraphOptimizationLevel.ORT_DISABLE_ALL, "on": ort.GraphOptimizationLevel.ORT_ENABLE_ALL}
root, count, label = sys.argv[1], int(sys.argv[2]), sys.argv[3]
n_test = int(sys.argv[4]) - 1


def ok(cond, name):
    global n_test
    n_test += 1
    print("%s %d - %s: %s" % ("ok" if cond else "not ok", n_test, label, name))


def load_sample(path):
    with open(path, "rb") as f:
        raw = f.read()
    assert raw[:8] == b"LTSAMPLE"
    version, n, c, h, w, k = struct.unpack("<6I", raw[8:32])
    assert version == 1
    v = np.frombuffer(raw, "<f4", offset=36)
    return v[: n * c * h * w].reshape(n, c, h, w).copy(), v[n * c * h * w :].reshape(n, k).copy()


def session(path, level):
    o = ort.SessionOptions()
    o.graph_optimization_level = LEVEL[level]
    o.intra_op_num_threads = 1
    o.log_severity_level = 3
    return ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])


worst = {k: 0.0 for k in TOLERANCE}
kinds = {}
for kind in ("f32", "int8", "seq"):
    for i in range(count):
        d = os.path.join(root, "%s-%d" % (kind, i))
        model = os.path.join(d, "model.onnx")
        m = onnx.load(model)
        for n in m.graph.node:
            kinds[n.op_type] = kinds.get(n.op_type, 0) + 1
        try:
            onnx.checker.check_model(m, full_check=True)
            why = ""
        except Exception as x:  # the checker has several exception classes
            why = str(x).splitlines()[0]
        ok(not why, "%s %d: onnx.checker, full check, opset %d %s" % (kind, i, m.opset_import[0].version, why))
        axes = [a for n in m.graph.node if n.op_type == "QuantizeLinear" for a in n.attribute]
        ok(not axes, "%s %d: per-tensor quantization carries no axis" % (kind, i))
        x, want = load_sample(os.path.join(d, "sample.bin"))
        top = np.abs(want).max()
        for level in ("off", "on"):
            s = session(model, level)
            name, tol = s.get_inputs()[0].name, TOLERANCE[kind, level]
            got = s.run(None, {name: x})[0]
            diff = float(np.abs(got - want).max() / top)
            worst[kind, level] = max(worst[kind, level], diff)
            ok(got.shape == want.shape and diff <= tol, "%s %d: logits, optimizations %s: %.2e of the largest" % (kind, i, level, diff))
            best = np.sort(want, 1)
            clear = best[:, -1] - best[:, -2] > 2 * tol * top
            ok((got.argmax(1) == want.argmax(1))[clear].all(), "%s %d: argmax, optimizations %s, %d clear of %d" % (kind, i, level, clear.sum(), len(x)))
        one = np.concatenate([s.run(None, {name: x[j : j + 1]})[0] for j in range(3)])
        ok(np.abs(one - got[:3]).max() <= tol * top, "%s %d: any batch size" % (kind, i))

wanted = {"Conv", "Gemm", "Relu", "Clip", "HardSigmoid", "Sigmoid", "Tanh", "MaxPool", "AveragePool", "GlobalAveragePool", "Add", "Mul", "Flatten",
          "Unsqueeze", "QuantizeLinear", "DequantizeLinear", "Erf", "Concat", "Slice", "Reshape", "Transpose", "ReduceMean", "Sqrt", "Div", "MatMul",
          "Softmax", "Elu", "ReduceSum", "Gather", "Expand", "Shape", "Cast", "Round"}
if count >= 20:
    ok(wanted <= set(kinds), "every operator was met (%s missing)" % sorted(wanted - set(kinds)))
for k, v in worst.items():
    print("# %s: worst %s, optimizations %s: %.2e of the largest logit" % (label, k[0], k[1], v))
print("# next %d" % (n_test + 1))
