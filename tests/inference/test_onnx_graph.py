"""ONNX Runtime and OpenCV compute from the graph what the module does, and its operators are the real ones."""

from collections import Counter

import cv2
import numpy as np
import pytest
import torch

from googlenet.errors import InputError
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.specification import Classifier, LocalResponseNorm, Specification
from googlenet.network.zoo import specification

onnx = pytest.importorskip("onnx")

from googlenet.inference.onnx_graph import build  # noqa: E402


def _network(given: Specification) -> Network:
    """Return a network with moved batch statistics, so that folding them is seen."""
    network = Network(given, auxiliary=False)
    initialise(network)
    generator = torch.Generator().manual_seed(3)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2.0, generator=generator)
    return network.eval()


def _answers(network: Network) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(2, *network.specification.input, generator=torch.Generator().manual_seed(1)) * 50
    with torch.no_grad():
        return x, network(x)


@pytest.mark.parametrize("name", ["googlenet-tiny", "googlenet-separable"])  # the others: test_predictor.py
def test_runtime_agrees(name: str) -> None:
    runtime = pytest.importorskip("onnxruntime")
    network = _network(specification(name))
    session = runtime.InferenceSession(build(network).SerializeToString(), providers=["CPUExecutionProvider"])
    x, expected = _answers(network)
    logits, probabilities = session.run(["logits", "probabilities"], {"input": x.numpy()})
    np.testing.assert_allclose(logits, expected.numpy(), rtol=0, atol=1e-5 * expected.abs().max().item())
    np.testing.assert_allclose(probabilities, expected.softmax(1).numpy(), rtol=0, atol=1e-6)
    assert session.run(["logits"], {"input": x[:1].numpy()})[0].shape[0] == 1


def test_another_engine_agrees() -> None:
    """OpenCV reads the same file; its LRN and its clipped pools are its own."""
    network = _network(specification("googlenet"))
    x, expected = _answers(network)
    engine = cv2.dnn.readNetFromONNX(np.frombuffer(build(network).SerializeToString(), np.uint8))
    engine.setInput(x.numpy())
    logits = engine.forward("logits")
    np.testing.assert_allclose(logits, expected.numpy(), rtol=0, atol=1e-5 * expected.abs().max().item())


def test_operators_are_counted_as_in_the_paper() -> None:
    model = build(_network(specification("googlenet")))
    counts = Counter(node.op_type for node in model.graph.node)
    assert counts == {
        **{"Conv": 57, "Relu": 57, "MaxPool": 13, "AveragePool": 1, "LRN": 2, "Concat": 9},
        **{"Flatten": 1, "Gemm": 1, "Softmax": 1},
    }
    assert sum(int(np.prod(weight.dims)) for weight in model.graph.initializer) == 6_998_552
    (entry,) = model.metadata_props
    assert Specification.from_json(entry.value) == specification("googlenet")


def test_what_onnx_cannot_say_is_refused() -> None:
    rows = (LocalResponseNorm("norm1", size=4),)
    with pytest.raises(InputError, match="norm1: ONNX centres an even window"):
        build(Network(Specification("even", rows, Classifier(2), input=(3, 8, 8))))
