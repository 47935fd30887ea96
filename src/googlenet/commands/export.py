"""`googlenet export`: a checkpoint in the form that other programs take."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg


@dataclass(frozen=True)
class Options:
    """Write a checkpoint as a Hugging Face model folder, with a model card made from its provenance."""

    weights: Annotated[Positional[Path], arg(metavar="WEIGHTS")]
    """A checkpoint."""
    hub_folder: Annotated[Path, arg(metavar="DIR")]
    """The folder to write: model.safetensors, config.json, README.md."""


def run(options: Options) -> int:
    """Write the folder."""
    from googlenet.weights.checkpoint import read
    from googlenet.weights.model_folder import write_hub_folder

    write_hub_folder(options.hub_folder, read(options.weights))
    print(f"{options.hub_folder}: model.safetensors, config.json, README.md; googlenet.load reads the folder")
    return 0
