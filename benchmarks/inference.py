"""GoogLeNet in evaluation: this package's forms against torchvision, OpenCV, ONNX Runtime and OpenVINO.

The paper's network at 224 x 224, two threads, batches of 1 and 32, interleaved. The engines read the graph that
`googlenet.inference.onnx_graph` builds with the real operators. The limit is the rate that a product of two 2048 x 2048
matrices reaches in the same run, over the network's 3.165 GFLOP an image. What takes part is what can be imported:
`pip install 'googlenet[engines]'`; torchvision's wheel asks for a CUDA build of torch and is left out where it does
not import. With `--precision bfloat16` the forms that compute so stand beside float32: ours without an extra, ours
through OpenVINO, OpenVINO alone.

    python benchmarks/inference.py [--precision bfloat16] [--batches 1 32] [--rounds 7] [--weights FILE] [--json FILE]
"""

import argparse
import importlib
import shlex
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from rounds import Result, measure, product_rate, write
from torch import Tensor, nn

from googlenet import machine
from googlenet.inference.engine import find_engines
from googlenet.inference.predictor import Predictor
from googlenet.network.cost import multiply_adds
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.zoo import specification
from googlenet.weights.checkpoint import read
from googlenet.weights.creation import build

LIMIT = "product of matrices"
OURS = "googlenet"
REPEATS = {1: 10}
"""How many batches one measurement is, where a single one is short."""

Form = Callable[[np.ndarray], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--weights", type=Path, help="a checkpoint of `googlenet` (default: random)")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    machine.keep_freed_memory()
    network = load(options.weights)
    results = [compare(network, batch, options) for batch in options.batches]
    if options.json:
        write(options.json, results)


def load(weights: Path | None) -> Network:
    if weights:
        return build(read(weights), auxiliary=False).eval()
    network = Network(specification("googlenet"), auxiliary=False)
    initialise(network)
    return network.eval()


def compare(network: Network, batch: int, options: argparse.Namespace) -> Result:
    rounds, threads = options.rounds, options.threads
    x = np.random.default_rng(1).normal(0, 50, (batch, *network.specification.input)).astype(np.float32)
    forms = our_forms(network, batch)
    if options.precision == "float32":
        forms |= torchvision_forms() | engines(network, batch, threads)
    else:
        forms |= short_forms(network, batch, threads, options.precision)
    expected = forms["plain module"](x)
    differences = {
        name: float(np.abs(probabilities(form(x)) - probabilities(expected)).max())
        for name, form in forms.items()
        if not name.startswith("torchvision")
    }
    repeats = REPEATS.get(batch, 1)
    work = {name: repeated(form, x, repeats) for name, form in forms.items()} | {LIMIT: product_rate()}
    settings = {
        "precision": options.precision,
        "threads": threads,
        "batch": batch,
        "batches_a_round": repeats,
        "differences": differences,
    }
    result = Result(shlex.join(sys.argv), settings | {"versions": versions()})
    measure(work, rounds, result)
    show(result, 2 * multiply_adds(network.specification))
    return result


def repeated(form: Form, x: np.ndarray, repeats: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(repeats):
            form(x)

    return run


def probabilities(logits: np.ndarray) -> np.ndarray:
    return torch.softmax(torch.as_tensor(logits), dim=1).numpy()


def on_torch(module: nn.Module, channels_last: bool = False) -> Form:
    def form(x: np.ndarray) -> np.ndarray:
        given: Tensor = torch.from_numpy(x)
        given = given.contiguous(memory_format=torch.channels_last) if channels_last else given
        with torch.inference_mode():
            return module(given).numpy()

    return form


def our_forms(network: Network, batch: int) -> dict[str, Form]:
    """The engine that was chosen by measurement, torch's, and the module as it is built."""
    chosen, torch_alone = (
        Predictor(network, device="cpu", engine=name, batch_size=batch) for name in ("auto", "torch")
    )
    chosen.expect(10**9)
    chosen(np.zeros((batch, *network.specification.input), np.float32))
    print(f"batch {batch}: the chosen engine is {chosen.engine}")
    return {
        OURS: lambda x: chosen(x).numpy(),
        f"{OURS}, engine torch": lambda x: torch_alone(x).numpy(),
        "plain module": on_torch(network),
    }


def short_forms(network: Network, batch: int, threads: int, precision: str) -> dict[str, Form]:
    """Every engine that computes in `precision` here, and OpenVINO alone as it comes."""
    found: dict[str, Form] = {}
    for name in find_engines(network, "cpu", precision):
        predictor = Predictor(network, device="cpu", precision=precision, engine=name, batch_size=batch)
        found[f"{precision}, {name}"] = lambda x, predictor=predictor: predictor(x).numpy()
    with suppress(ImportError):
        graph = importlib.import_module("googlenet.inference.onnx_graph").build(network).SerializeToString()
        found[f"{precision}, OpenVINO alone"] = openvino(graph, (batch, *network.specification.input), threads, "bf16")
    return found


def torchvision_forms() -> dict[str, Form]:
    """Its GoogLeNet has 3x3 for 5x5, batch normalisation and no LRN: 5 % less work, other answers."""
    with suppress(ImportError):
        importlib.import_module("torchvision_without_operators")
    try:
        models = importlib.import_module("torchvision").models
    except (ImportError, RuntimeError):
        return {}

    def module() -> nn.Module:
        return models.googlenet(weights=None, aux_logits=False, init_weights=False).eval()

    compiled = torch.compile(module().to(memory_format=torch.channels_last))
    return {
        "torchvision, eager": on_torch(module()),
        "torchvision, compiled": on_torch(compiled, channels_last=True),
    }


def engines(network: Network, batch: int, threads: int) -> dict[str, Form]:
    """Engines on the ONNX graph, each set to float32 and to the number of threads."""
    try:
        graph = importlib.import_module("googlenet.inference.onnx_graph").build(network).SerializeToString()
    except ImportError:
        return {}
    found = {"OpenCV": opencv(graph, threads)}
    for name, make in (("ONNX Runtime", onnx_runtime), ("OpenVINO", openvino)):
        with suppress(ImportError):
            found[name] = make(graph, (batch, *network.specification.input), threads)
    return found


def opencv(graph: bytes, threads: int) -> Form:
    cv2.setNumThreads(threads)
    net = cv2.dnn.readNetFromONNX(np.frombuffer(graph, np.uint8))

    def form(x: np.ndarray) -> np.ndarray:
        net.setInput(x)
        return net.forward("logits")

    return form


def onnx_runtime(graph: bytes, shape: tuple[int, ...], threads: int) -> Form:
    runtime = importlib.import_module("onnxruntime")
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = threads
    session = runtime.InferenceSession(graph, settings, providers=["CPUExecutionProvider"])
    return lambda x: session.run(["logits"], {"input": x})[0]


def openvino(graph: bytes, shape: tuple[int, ...], threads: int, precision: str = "f32") -> Form:
    core = importlib.import_module("openvino").Core()
    model = core.read_model(graph)
    model.reshape({"input": list(shape)})
    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return lambda x: request.infer({0: x})["logits"]


def versions() -> dict[str, str]:
    found = {"opencv": cv2.__version__}
    for name in ("onnxruntime", "openvino", "torchvision"):
        if name in sys.modules:
            found[name] = sys.modules[name].__version__
    return found


def show(result: Result, operations: int) -> None:
    batch = result.settings["batch"] * result.settings["batches_a_round"]
    limit = 2 * 2048**3 / result.best(LIMIT) / operations
    print(f"{machine.processor()}, {result.settings['threads']} threads, torch {torch.__version__}")
    print(f"batch {result.settings['batch']}, limit {limit:.1f} images/s ({limit * operations / 1e9:.0f} GFLOP/s)")
    print(f"{'form':24} {'images/s':>9} {'median':>7} {'of limit':>9}   {OURS} is faster (least / median / most)")
    for form in result.seconds:
        if form == LIMIT:
            continue
        best, median = batch / result.best(form), batch / result.median(form)
        ratios = " / ".join(f"{ratio:.2f}" for ratio in result.ratios(form, OURS))
        print(f"{form:24} {best:9.1f} {median:7.1f} {best / limit:9.2f}   {ratios}")
    worst = max(result.settings["differences"].values())
    print(f"largest difference of a probability from the plain module's: {worst:.1e}\n")


if __name__ == "__main__":
    main()
