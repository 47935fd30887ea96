"""`googlenet export`: a checkpoint in the form that other programs take."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from googlenet.errors import InputError
from googlenet.reporting.console import say, warn
from googlenet.weights.checkpoint import Checkpoint, describe, expect_classes, read

if TYPE_CHECKING:
    from googlenet.export.onnx_file import OnnxFile


@dataclass(frozen=True)
class Options:
    """Write a checkpoint as an ONNX file, as a Hugging Face model folder, or as both."""

    weights: Annotated[Positional[Path], arg(metavar="WEIGHTS")]
    """A checkpoint."""
    onnx: Annotated[Path | None, arg(metavar="FILE")] = None
    """The ONNX file to write; needs the extra export."""
    hub_folder: Annotated[Path | None, arg(metavar="DIR")] = None
    """The model folder to write: model.safetensors, config.json, and a model card made from the provenance."""
    json: bool = False
    """Print what was written as one JSON object (docs/json.md)."""


def run(options: Options) -> int:
    """Write what is asked for, and say how it was checked."""
    if options.onnx is None and options.hub_folder is None:
        raise InputError("nothing to write is named; give --onnx FILE or --hub-folder DIR")
    expect_classes(describe(options.weights), options.weights)
    from googlenet.weights.model_folder import write_hub_folder

    checkpoint = read(options.weights)
    onnx = None if options.onnx is None else _onnx(checkpoint, options.onnx)
    if options.hub_folder is not None and not write_hub_folder(options.hub_folder, checkpoint):
        say(f"{options.hub_folder}: README.md is somebody's own and stays as it is; no card is written")
    if options.json:
        folder = None if options.hub_folder is None else str(options.hub_folder)
        print(json.dumps({"onnx": onnx and onnx.to_json(), "hub_folder": folder}))
        return 0
    if onnx:
        agreed = f"; {onnx.checked_with} agrees to {onnx.probability_difference:.0e}" if onnx.checked_with else ""
        print(f"{onnx.file}: ONNX opset {onnx.opset}, {onnx.bytes / 1e6:.1f} MB{agreed}")
    if options.hub_folder is not None:
        print(f"{options.hub_folder}: model.safetensors, config.json; googlenet.load reads the folder")
    return 0


def _onnx(checkpoint: Checkpoint, path: Path) -> "OnnxFile":
    from googlenet.export.onnx_file import EXTRA, export_onnx

    written = export_onnx(checkpoint, path)
    if written.checked_with is None:
        warn(f"{written.file}: not compared with another engine, since onnxruntime is missing ({EXTRA})")
    return written
