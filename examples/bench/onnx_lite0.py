"""Yardstick of `ferkd bench teacher`: EfficientNet-Lite0, or any other ONNX file, under ONNX Runtime, on the same
weights and threads.

The ONNX file is built in a temporary folder from the safetensors file that ships with ferkd, batch norms folded
into the convolutions; ONNX Runtime optimises it further when it loads it.

    pip install numpy onnx onnxruntime safetensors
    ferkd bench teacher --yardstick "python3 examples/bench/onnx_lite0.py --threads 2 --batch 8"

Another network, from its weights:

    ferkd export resnet18.pth --onnx --out resnet18.onnx
    ferkd bench teacher --teacher resnet18.pth --yardstick "python3 examples/bench/onnx_lite0.py --model resnet18.onnx"

With --check tests/data/lite0-crops.safetensors the logits are compared with the recorded ones first.
"""

import argparse
import pathlib
import tempfile
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "assets/teachers/efficientnet-lite0/weights-f16.safetensors"
# repeats, kernel, stride, expansion, inputs, outputs
STAGES = [
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
]


class Graph:
    """Collects the nodes and weights of the network."""

    def __init__(self, weights):
        self.weights = {name: value.astype(np.float32) for name, value in weights.items()}
        self.nodes, self.constants, self.count = [], [], 0

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
        return name

    def node(self, kind, inputs, **attributes):
        self.count += 1
        out = f"t{self.count}"
        self.nodes.append(helper.make_node(kind, inputs, [out], **attributes))
        return out

    def conv(self, x, conv, norm, stride, groups=1, relu6=True):
        w = self.weights
        scale = w[norm + ".weight"] / np.sqrt(w[norm + ".running_var"] + 1e-3)
        kernel = w[conv + ".weight"] * scale[:, None, None, None]
        bias = w[norm + ".bias"] - w[norm + ".running_mean"] * scale
        inputs = [x, self.constant(conv + ".w", kernel), self.constant(conv + ".b", bias)]
        # TensorFlow's SAME padding puts the odd pixel at the end.
        x = self.node("Conv", inputs, auto_pad="SAME_UPPER", strides=[stride, stride], group=groups)
        return self.node("Clip", [x, "zero", "six"]) if relu6 else x


def build(path, weights):
    """Writes the network as ONNX: input (n, 3, 224, 224), output (n, 1000)."""
    g = Graph(weights)
    g.constant("zero", np.array(0.0))
    g.constant("six", np.array(6.0))
    x = g.conv("images", "_conv_stem", "_bn0", 2)
    number = 0
    for repeats, _, stride, expansion, inputs, outputs in STAGES:
        for repeat in range(repeats):
            block, before = f"_blocks.{number}.", x
            number += 1
            wide = (inputs if repeat == 0 else outputs) * expansion
            step = stride if repeat == 0 else 1
            if expansion > 1:
                x = g.conv(x, block + "_expand_conv", block + "_bn0", 1)
            x = g.conv(x, block + "_depthwise_conv", block + "_bn1", step, groups=wide)
            x = g.conv(x, block + "_project_conv", block + "_bn2", 1, relu6=False)
            if repeat > 0:
                x = g.node("Add", [x, before])
    x = g.conv(x, "_conv_head", "_bn1", 1)
    x = g.node("Flatten", [g.node("GlobalAveragePool", [x])])
    fc = [x, g.constant("fc.w", g.weights["_fc.weight"]), g.constant("fc.b", g.weights["_fc.bias"])]
    g.nodes.append(helper.make_node("Gemm", fc, ["logits"], transB=1))
    shape = lambda name, dims: helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
    graph = helper.make_graph(
        g.nodes, "lite0", [shape("images", ["n", 3, 224, 224])], [shape("logits", ["n", 1000])], g.constants
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=pathlib.Path, default=WEIGHTS)
    parser.add_argument("--model", type=pathlib.Path, help="an ONNX file of one input (n, 3, side, side)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--save", type=pathlib.Path, help="write the ONNX file there, and do nothing else")
    parser.add_argument("--check", type=pathlib.Path, help="tests/data/lite0-crops.safetensors")
    args = parser.parse_args()
    if args.save:
        build(str(args.save), load_file(args.weights))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = str(args.model or pathlib.Path(folder) / "lite0.onnx")
        if not args.model:
            build(path, load_file(args.weights))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = args.threads
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    if args.check:
        golden = load_file(args.check)
        crops = ((golden["bicubic_u8"].astype(np.float32) - 127) / 128).reshape(-1, 224, 224, 3).transpose(0, 3, 1, 2)
        (logits,) = session.run(None, {"images": np.ascontiguousarray(crops)})
        off = float(np.abs(logits - golden["logits_f16_weights"]).max())
        print(f"largest difference from the recorded logits: {off:.2e}")
        if not off < 1e-3:
            raise SystemExit("these are other logits")
    (asked,) = session.get_inputs()
    side = asked.shape[-1]
    images = np.random.default_rng(0).uniform(-1, 1, (args.batch, 3, side, side)).astype(np.float32)
    session.run(None, {asked.name: images})
    done, begun = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begun) < args.seconds:
        session.run(None, {asked.name: images})
        done += args.batch
    print(f"ONNX Runtime {onnxruntime.__version__}, {args.threads} threads: {done / elapsed:.2f} crops/s")


if __name__ == "__main__":
    main()
