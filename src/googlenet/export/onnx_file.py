"""A checkpoint as an ONNX file: with classes and pixels in its metadata, and compared with ONNX Runtime's answers."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from googlenet.errors import InputError
from googlenet.files import atomic_write
from googlenet.images.preprocessing import normalise
from googlenet.network.module import Network
from googlenet.randomness import generator
from googlenet.versions import versions
from googlenet.weights.checkpoint import Checkpoint, expect_classes, read, shareable
from googlenet.weights.creation import build

if TYPE_CHECKING:
    import onnx

__all__ = ["OnnxFile", "export_onnx"]

CLOSE = 1e-5
"""Largest difference of a logit, in the largest logit, up to which two engines give the same answers."""

EXTRA = "pip install onnx onnxruntime"


@dataclass(frozen=True)
class OnnxFile:
    """What was written, and how it was found to agree."""

    file: Path
    bytes: int
    opset: int
    checked_with: str | None
    """The engine and its version that computed the same answers; None where none is installed."""
    logit_difference: float | None
    """The largest difference of a logit on the pictures of the check, as a share of the largest logit."""
    probability_difference: float | None
    """The largest difference of a probability."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"file": str(self.file)}


def export_onnx(weights: str | os.PathLike[str] | Checkpoint, file: str | os.PathLike[str]) -> OnnxFile:
    """Write a checkpoint as an ONNX file (opset 17) of one input and two outputs, N free.

    `input` is float32 [N, 3, height, width], prepared as the metadata entry `pixels` says; `logits` and `probabilities`
    are float32 [N, classes]. The metadata, JSON each: `classes` [[id, name], ...] in the order of the outputs, `pixels`
    (order of the channels, white, mean, scale, resize), `specification`, `provenance`. Where ONNX Runtime is
    installed it must compute the same answers, for one picture and for several, before anything is written. Raises
    `InputError` where it does not, where the package onnx is missing, and for what ONNX cannot say.
    """
    checkpoint = weights if isinstance(weights, Checkpoint) else read(weights)
    expect_classes(checkpoint, file if isinstance(weights, Checkpoint) else weights)
    try:
        from googlenet.inference.onnx_graph import OPSET
        from googlenet.inference.onnx_graph import build as build_graph
    except ImportError as error:
        raise InputError(f"writing ONNX needs the package {error.name}; install it with {EXTRA}") from None
    network = build(checkpoint, auxiliary=False).eval()
    graph = build_graph(network)
    _describe(graph, checkpoint)
    content = graph.SerializeToString()
    checked = _compare(network, content)
    with atomic_write(file) as out:
        out.write(content)
    return OnnxFile(Path(file), len(content), OPSET, **checked)


def _describe(graph: "onnx.ModelProto", checkpoint: Checkpoint) -> None:
    from onnx import helper

    graph.producer_name, graph.producer_version = "googlenet", versions().get("googlenet", "")
    helper.set_model_props(
        graph,
        {
            "specification": checkpoint.specification.to_json(),
            "pixels": json.dumps(asdict(checkpoint.specification.pixels)),
            "classes": json.dumps([[item.id, item.name] for item in checkpoint.classes], ensure_ascii=False),
            "provenance": json.dumps(shareable(dict(checkpoint.provenance)), ensure_ascii=False),
        },
    )


def _compare(network: Network, content: bytes) -> Mapping[str, Any]:
    """Compute some pictures by ONNX Runtime too; raises `InputError` where its answers are others."""
    try:
        import onnxruntime
    except ImportError:
        return {"checked_with": None, "logit_difference": None, "probability_difference": None}
    engine = f"onnxruntime {onnxruntime.__version__}"
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    worst_logit = worst_probability = 0.0
    for count in (1, 3):
        x = _pictures(network, count)
        with torch.inference_mode():
            expected = network(x)
        if not bool(expected.isfinite().all()):
            raise InputError("the network's answers are not finite, so that nothing can be compared; mend its weights")
        logits, probabilities = session.run(["logits", "probabilities"], {"input": x.contiguous().numpy()})
        difference = np.abs(logits - expected.numpy()).max() / expected.abs().max().item()
        worst_logit = max(worst_logit, float(difference))
        worst_probability = max(worst_probability, float(np.abs(probabilities - expected.softmax(1).numpy()).max()))
    if not worst_logit <= CLOSE:
        raise InputError(
            f"{engine} computes other answers from the graph (a logit differs by {worst_logit:.1e} of the largest);"
            " nothing is written; try another version of it"
        )
    return {"checked_with": engine, "logit_difference": worst_logit, "probability_difference": worst_probability}


def _pictures(network: Network, count: int) -> torch.Tensor:
    """Noise, as the network's input: it reaches every channel, and no photograph has to come with the package."""
    height, width = network.specification.input[1:]
    pixels = generator(0, "export", index=count).integers(0, 256, (count, height, width, 3), np.uint8)
    return normalise(pixels, network.specification.pixels)
