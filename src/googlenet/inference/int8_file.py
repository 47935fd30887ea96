"""Ranges for eight bits beside a weights file, `bvlc.int8-openvino.json`: found once, judged on other images, and kept.

Data alone: the ranges, for which weights, engine and instructions they were judged, on what, and what they changed.
"""

import hashlib
import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np

from googlenet import machine
from googlenet.errors import InputError
from googlenet.files import atomic_write
from googlenet.images.finding import find_images
from googlenet.images.reading import read_crops
from googlenet.inference.engine import EngineName, find_engines, version
from googlenet.inference.predictor import Predictor
from googlenet.inference.quantization import calibrate, sources
from googlenet.inference.ranges import Range
from googlenet.network.module import Network
from googlenet.network.specification import Pixels

__all__ = ["Int8", "int8"]

FORMAT = "googlenet int8 1"

IMAGES, LEAST = 600, 50
"""Half of at most so many images calibrate, the other half judges; fewer than the least say nothing."""

CHANGED = 0.02
"""The share of the judging images that may get another best class."""

BATCH = 8

LONGEST = 1 << 20
"""Bytes of a file."""

log = logging.getLogger("googlenet")


@dataclass(frozen=True)
class Int8:
    """The engine that computes in eight bits, and its ranges."""

    engine: EngineName
    ranges: dict[str, Range]


def int8(
    network: Network, pixels: Pixels, weights: Path, engine: str = "auto", images: str | os.PathLike[str] | None = None
) -> Int8:
    """Return the fastest of the engines with ranges kept beside `weights`, made from a folder of `images` if given.

    Raises `InputError` where there are none that hold, or where every engine changes more best classes than it may.
    """
    engines = find_engines(network, "cpu", "int8", engine)
    if images is not None and not _is_made(network, weights, list(engines), images):
        _make(network, pixels, weights, list(engines), images)
    reasons, seconds, found = [], dict[str, float](), dict[str, Int8]()
    for name in engines:
        try:
            record = _read(_path(weights, name), network, name)
        except InputError as error:
            reasons.append(str(error))
        else:
            ranges = {key: Range(*pair) for key, pair in record["ranges"].items()}
            found[name], seconds[name] = Int8(cast(EngineName, name), ranges), record["seconds"]
    if not found:
        raise InputError(f"{'; '.join(reasons)}; give --calibrate FOLDER, with {LEAST} photographs or more, once")
    return found[min(found, key=seconds.__getitem__)]


def _path(weights: Path, engine: str) -> Path:
    return weights.with_name(f"{weights.stem}.int8-{engine}.json")


def _key(network: Network, engine: str) -> dict[str, Any]:
    """What a judgement holds for."""
    digest = hashlib.sha256(network.specification.to_json().encode())
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    kind = find_engines(network, "cpu", "int8", engine)[engine]
    return {
        "format": FORMAT,
        "weights": digest.hexdigest(),
        "engine": f"{engine} {version(kind)}",
        "instructions": list(machine.processor().instructions),
    }


def _is_made(network: Network, weights: Path, engines: Sequence[str], images: str | os.PathLike[str]) -> bool:
    """Whether what would be made from these images is there."""
    identity = _identity(_paths(images))
    try:
        return all(_read(_path(weights, name), network, name)["images"] == identity for name in engines)
    except InputError:
        return False


def _read(path: Path, network: Network, engine: str) -> dict[str, Any]:
    """Return what was kept; raises `InputError` unless it is whole and holds for weights, engine and machine."""
    try:
        with path.open("rb") as file:
            record = json.loads(file.read(LONGEST))
    except FileNotFoundError:
        raise InputError(f"there is no {path}") from None
    except (OSError, ValueError, RecursionError):
        raise InputError(f"{path}: cannot be read") from None
    key = _key(network, engine)
    if not isinstance(record, dict) or {name: record.get(name) for name in key} != key:
        raise InputError(f"{path}: made for other weights, another {engine} or another processor")
    ranges = record.get("ranges")
    if (
        not isinstance(ranges, dict)
        or ranges.keys() != sources(network.specification).keys()
        or not all(map(_is_range, ranges.values()))
        or not _is_number(record.get("seconds"))
    ):
        raise InputError(f"{path}: damaged")
    return record


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max


def _is_range(pair: object) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(map(_is_number, pair)) and pair[0] <= 0 < pair[1]


def _paths(images: str | os.PathLike[str]) -> list[Path]:
    found = [Path(path) for path in find_images([images]).paths]
    if len(found) < LEAST:
        raise InputError(f"{os.fspath(images)}: {len(found)} images are too few to calibrate; give {LEAST} or more")
    step = max(1, len(found) // IMAGES)  # from all of a folder, whose classes may stand one after another
    return found[::step][:IMAGES]


def _identity(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name} {path.stat().st_size}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _make(
    network: Network, pixels: Pixels, weights: Path, engines: Sequence[str], images: str | os.PathLike[str]
) -> None:
    """Find ranges, judge each engine, and keep those that hold; `InputError` where none does."""
    paths = _paths(images)
    size = network.specification.input[1:]
    log.info("int8: calibrating on %d images, judging on %d others", len(paths[::2]), len(paths[1::2]))
    ranges = calibrate(network, pixels, _batches(paths[::2], pixels, size))
    exact = Predictor(network, pixels, "cpu")
    best = [exact(crops).argmax(1) for crops in _batches(paths[1::2], pixels, size)]
    judged = sum(map(len, best))
    if judged < LEAST // 2:
        raise InputError(f"{os.fspath(images)}: only {judged} of the images that judge could be read")
    refusals = []
    for name in engines:
        short = Predictor(network, pixels, "cpu", "int8", name, ranges=ranges)
        changed, seconds = 0, 0.0
        for crops, expected in zip(_batches(paths[1::2], pixels, size), best, strict=True):
            start = time.perf_counter()
            changed += int((short(crops).argmax(1) != expected).sum())
            seconds += time.perf_counter() - start
        told = f"{name} in int8 changes the best class of {changed} of {judged} images that did not calibrate"
        if changed > CHANGED * judged:
            refusals.append(told)
            _path(weights, name).unlink(missing_ok=True)
            continue
        log.info("int8: %s", told)
        record = _key(network, name) | {
            "images": _identity(paths),
            "judged": judged,
            "changed": changed,
            "seconds": seconds / judged,
            "ranges": {key: [found.low, found.high] for key, found in ranges.items()},
        }
        with atomic_write(_path(weights, name)) as file:
            file.write(json.dumps(record, indent=1).encode())
    if len(refusals) == len(engines):
        raise InputError(f"{'; '.join(refusals)}: more than 2 in 100; calibrate with more, or more usual, photographs")
    for refusal in refusals:
        log.warning("int8: %s: it is not kept", refusal)


def _batches(paths: Sequence[Path], pixels: Pixels, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Yield crops, uint8 [N, height, width, 3], of the images that can be read."""
    good = (crop for _, crop in read_crops(paths, pixels, size) if isinstance(crop, np.ndarray))
    while batch := list(islice(good, BATCH)):
        yield np.stack(batch)
