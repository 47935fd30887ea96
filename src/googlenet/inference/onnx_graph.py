"""A network as an ONNX graph, built node by node from its specification, so that every operator is the real one.

A traced graph would break local response normalisation into slices and pools, which engines run several times slower.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from googlenet.errors import InputError
from googlenet.inference.folding import fold
from googlenet.inference.ranges import Range
from googlenet.network.graph import Concatenate, Convolve, Linear, Node, Softmax, expand, pool_padding
from googlenet.network.module import ConvolutionUnit, FullyConnected, Network
from googlenet.network.specification import AdaptiveAveragePool, AveragePool, Dropout, LocalResponseNorm, MaxPool

__all__ = ["OPSET", "build", "obstacle"]

OPSET, IR_VERSION = 17, 8
"""Old enough for every engine in use; nothing here needs newer ones."""


def build(
    network: Network,
    outputs: Sequence[str] | None = None,
    ranges: Mapping[str, Range] | None = None,
    largest_weight: int = 127,
) -> onnx.ModelProto:
    """Return the graph of `network` in evaluation: `input` [N, 3, H, W] to `logits` and `probabilities` [N, classes].

    N is free, H and W are the specification's. Values have the paper's names (`inception_4a/3x3_reduce`), batch
    normalisation is folded into the convolutions, auxiliary heads are left out, and the metadata entry `specification`
    holds the network as JSON, the pixels included. With `outputs`, rows or layers by name, the graph has theirs in this
    order. With `ranges`, by `quantization`, the convolutions that read maps with one have eight-bit weights of at most
    `largest_weight` steps. Raises `InputError` for what ONNX cannot say.
    """
    if reason := obstacle(network):
        raise InputError(reason)
    specification = network.specification
    nodes = expand(specification, auxiliary=False)
    graph = _Graph(network, ranges or {}, largest_weight)
    for node in nodes:
        graph.add(node)
    shapes = {node.row: _shape(node) for node in nodes} | {node.name: _shape(node) for node in nodes}
    if outputs is None:
        outputs = (graph.logits, "softmax")
    else:
        graph.give(outputs)
    body = helper.make_graph(
        graph.nodes,
        specification.name,
        [_information("input", specification.input)],
        [_information(graph.values[name], shapes[name]) for name in outputs],
        graph.weights,
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    helper.set_model_props(model, {"specification": specification.to_json()})
    onnx.checker.check_model(model, full_check=True)
    return model


def obstacle(network: Network) -> str:
    """Return why ONNX cannot say the network; empty where it can."""
    for node in expand(network.specification, auxiliary=False):
        match node.operation:
            case LocalResponseNorm(size=size) if size % 2 == 0:
                return f"{node.name}: ONNX centres an even window of {size} channels elsewhere"
            case AdaptiveAveragePool(size=size) if any(length % size for length in node.input[1:]):
                return f"{node.name}: an adaptive pool from {node.input[1:]} to {size} has no ONNX operator"
    return ""


def _shape(node: Node) -> tuple[int, ...]:
    return node.output[:1] if isinstance(node.operation, Linear | Softmax) else node.output


def _information(name: str, shape: Sequence[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ("N", *shape))


class _Graph:
    """Grows node by node; `values` says under which name each of our nodes' outputs stands."""

    def __init__(self, network: Network, ranges: Mapping[str, Range], largest_weight: int) -> None:
        self.network, self.ranges, self.largest_weight = network, ranges, largest_weight
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.values = {"input": "input"}
        self.logits = ""

    def round_to_steps(self, name: str) -> None:
        """Let who reads a value read it in the steps of its range, if it has one."""
        if name in self.ranges:
            found = self.ranges[name]
            scale, zero = np.array(found.scale, np.float32), np.array(found.zero, np.uint8)
            steps = [self.weight(f"{name}.scale", scale), self.weight(f"{name}.zero", zero)]
            rounded = self.emit("QuantizeLinear", [self.values[name], *steps], f"{name}/steps")
            self.values[name] = self.emit("DequantizeLinear", [rounded, *steps], f"{name}/rounded")

    def rounded_weights(self, node: Node, weight: np.ndarray, bias: np.ndarray) -> list[str]:
        """Weights as eight bits with a scale an output channel, the bias in steps of the products."""
        largest = np.abs(weight).max(axis=(1, 2, 3))
        scale = (np.maximum(largest, 1e-12) / self.largest_weight).astype(np.float32)
        products = (scale * np.float32(self.ranges[node.inputs[0]].scale)).astype(np.float32)
        eight = np.rint(weight / scale[:, None, None, None]).astype(np.int8)
        whole = np.clip(np.rint(bias / products), -(2.0**31), 2.0**31 - 128).astype(np.int32)
        found = []
        for name, values, steps in (("weight", eight, scale), ("bias", whole, products)):
            zeros = self.weight(f"{node.name}.{name}.zeros", np.zeros(len(steps), values.dtype))
            inputs = [
                self.weight(f"{node.name}.{name}", values),
                self.weight(f"{node.name}.{name}.scale", steps),
                zeros,
            ]
            found.append(self.emit("DequantizeLinear", inputs, f"{node.name}.{name}/rounded", axis=0))
        return found

    def give(self, outputs: Sequence[str]) -> None:
        """End in a value of its own for each output: two names may mean one, and dropout does nothing."""
        for number, name in enumerate(outputs):
            self.values[name] = self.emit("Identity", [self.values[name]], f"output/{number}")

    def add(self, node: Node) -> None:
        inputs = [self.values[name] for name in node.inputs]
        match node.operation:
            case Convolve() as convolve:
                self.convolve(node, inputs[0], convolve)
            case Linear(relu=relu):
                self.linear(node, inputs[0], relu)
            case Concatenate():
                self.emit("Concat", inputs, node.name, axis=1)
            case Softmax():
                self.logits = node.inputs[0]
                self.emit("Softmax", inputs, node.name, "probabilities", axis=1)
            case MaxPool() | AveragePool() as pool:
                self.pool(node, inputs[0], pool)
            case AdaptiveAveragePool(size=size):
                self.adaptive_pool(node, inputs[0], size)
            case LocalResponseNorm() as norm:
                self.normalise(node, inputs[0], norm)
            case Dropout():
                self.values[node.name] = inputs[0]
            case other:
                raise TypeError(other)
        self.round_to_steps(node.name)
        self.values[node.row] = self.values[node.name]

    def emit(self, operator: str, inputs: list[str], name: str, output: str = "", **attributes: object) -> str:
        self.values[name] = output or name
        self.nodes.append(helper.make_node(operator, inputs, [self.values[name]], name=name, **attributes))
        return self.values[name]

    def weight(self, name: str, values: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def convolve(self, node: Node, source: str, convolve: Convolve) -> None:
        unit = self.network.get_submodule(node.key)
        assert isinstance(unit, ConvolutionUnit)
        weight, bias = (tensor.float().cpu().numpy() for tensor in fold(unit))
        top, bottom, left, right = convolve.padding
        if node.inputs[0] in self.ranges:
            inputs = [source, *self.rounded_weights(node, weight, bias)]
        else:
            inputs = [source, self.weight(f"{node.name}.weight", weight), self.weight(f"{node.name}.bias", bias)]
        name = f"{node.name}/linear" if convolve.relu else node.name
        made = self.emit(
            "Conv",
            inputs,
            name,
            kernel_shape=[convolve.kernel] * 2,
            strides=[convolve.stride] * 2,
            pads=[top, left, bottom, right],
            group=convolve.groups,
        )
        if convolve.relu:
            self.emit("Relu", [made], node.name)

    def linear(self, node: Node, source: str, relu: bool) -> None:
        layer = self.network.get_submodule(node.key)
        assert isinstance(layer, FullyConnected)
        weight, bias = (tensor.detach().float().cpu().numpy() for tensor in (layer.weight, layer.bias))
        flat = self.emit("Flatten", [source], f"{node.name}/flat", axis=1)
        inputs = [flat, self.weight(f"{node.name}.weight", weight), self.weight(f"{node.name}.bias", bias)]
        if relu:
            self.emit("Relu", [self.emit("Gemm", inputs, f"{node.name}/linear", transB=1)], node.name)
        else:
            self.emit("Gemm", inputs, node.name, "logits", transB=1)

    def pool(self, node: Node, source: str, pool: MaxPool | AveragePool) -> None:
        (top, bottom), (left, right) = (pool_padding(length, pool) for length in node.input[1:])
        operator = "MaxPool" if isinstance(pool, MaxPool) else "AveragePool"  # which leaves the padding out of the mean
        kernel, strides, pads = [pool.kernel] * 2, [pool.stride] * 2, [top, left, bottom, right]
        self.emit(operator, [source], node.name, kernel_shape=kernel, strides=strides, pads=pads)

    def adaptive_pool(self, node: Node, source: str, size: int) -> None:
        strides = [length // size for length in node.input[1:]]
        self.emit("AveragePool", [source], node.name, kernel_shape=strides, strides=strides)

    def normalise(self, node: Node, source: str, norm: LocalResponseNorm) -> None:
        alpha = norm.alpha if norm.divided else norm.alpha * norm.size
        self.emit("LRN", [source], node.name, size=norm.size, alpha=alpha, beta=norm.beta, bias=norm.k)
