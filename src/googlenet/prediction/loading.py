"""From a file to what answers: a model, or an ensemble of several."""

import os
from pathlib import Path

import torch

from googlenet.errors import InputError
from googlenet.inference.device import find_device
from googlenet.inference.engine import DeviceName, EngineName, Precision, find_engines
from googlenet.inference.int8_file import int8
from googlenet.prediction.ensemble import Ensemble
from googlenet.prediction.model import Model
from googlenet.weights.checkpoint import expect_classes, read
from googlenet.weights.creation import build
from googlenet.weights.ensemble import is_ensemble, members_of

__all__ = ["load"]


def load(
    path: str | os.PathLike[str],
    *,
    device: DeviceName | str | torch.device = "auto",
    precision: Precision = "float32",
    engine: EngineName = "auto",
    calibrate: str | os.PathLike[str] | None = None,
) -> Model:
    """Return the network in a checkpoint, or the `Ensemble` of a .json file, ready for use.

    How it computes is as `googlenet predict --help` says.

    `device` may be torch's (`torch.device("cuda", 1)`, "cuda:1") too. Raises `InputError` that says what is wrong with
    the file, or what this machine has not, or which member of an ensemble has changed.
    """
    if not is_ensemble(path):
        return _load_one(path, device, precision, engine, calibrate)
    return Ensemble([_load_one(member.path, device, precision, engine, calibrate) for member in members_of(path)])


def _load_one(
    path: str | os.PathLike[str],
    device: str | torch.device,
    precision: Precision,
    engine: EngineName,
    calibrate: str | os.PathLike[str] | None,
) -> Model:
    if calibrate is not None and precision != "int8":
        raise InputError(f"--calibrate is for --precision int8; {precision} needs none")
    checkpoint = read(path)
    expect_classes(checkpoint, path)
    if precision != "int8":
        return Model(checkpoint, device=device, precision=precision, engine=engine)
    network = build(checkpoint, auxiliary=False).eval()
    find_engines(network, "cpu" if str(device) == "auto" else find_device(device), precision, engine)
    found = int8(network, checkpoint.specification.pixels, Path(path), engine, calibrate)
    return Model(checkpoint, device="cpu", precision=precision, engine=found.engine, ranges=found.ranges)
