"""From the arrays that a foreign file holds to a checkpoint: every name and shape compared, every number looked at."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from googlenet.errors import InputError, shown
from googlenet.network.specification import Specification
from googlenet.weights.checkpoint import Checkpoint, expected_tensors
from googlenet.weights.classes import Class, numbered_classes
from googlenet.weights.importers.source import Source

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Array", "Report", "assemble"]

COUNTER = "num_batches_tracked"
"""Batch normalisation's count of batches, which old files lack and nothing but training reads."""


@dataclass(frozen=True)
class Array:
    """An array of a file, turned to the network's own layout; nothing is read before `load`."""

    shape: tuple[int, ...]
    load: Callable[[], NDArray[Any]] = field(repr=False)


NO_COUNT = Array((), lambda: np.array(0))
"""What stands for a count of batches that a file lacks."""


@dataclass(frozen=True)
class Report:
    """What an importer saw, by the file's own names: arrays found, used and left; what a user should know besides."""

    found: tuple[str, ...]
    used: tuple[str, ...]
    left: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def assemble(
    source: Source,
    kind: str,
    specification: Specification,
    arrays: Mapping[str, Array],
    names: Mapping[str, str],
    published: tuple[Class, ...],
    given: Sequence[Class] | None,
) -> tuple[Checkpoint, Report]:
    """Fill `specification` with a file's `arrays`; `names` gives the file's name for each key of the state dict.

    The number of classes is that of the file's classifier; the classes are those `given`, else the `published` ones
    where the number fits, else numbers. Auxiliary heads that the file lacks are taken out of the specification, as are
    (with a warning) those that do not fit it. Raises `InputError` that names the file and what differs.
    """
    specification = _with_classes(source, specification, _class_count(source, specification, arrays, names))
    specification, warnings = _with_heads(specification, arrays, names)
    expected = expected_tensors(specification)
    for key, shape in expected.items():
        name = names[key]
        if arrays.get(name, NO_COUNT).shape != shape:
            difference = _difference(name, arrays[name].shape, shape)
            raise InputError(f"{source.path}: {difference} as in {specification.name}")
    weights: dict[str, Tensor] = {}
    used = []
    for key, shape in expected.items():
        name = names[key]
        numbers = arrays.get(name, NO_COUNT).load()
        if np.issubdtype(numbers.dtype, np.floating) == key.endswith(COUNTER):
            raise InputError(f"{source.path}: {shown(name)} is of type {numbers.dtype}, which it cannot be")
        weights[key], finite = _tensor(numbers, shape)
        if name in arrays:
            used.append(name)
        if not finite:
            warnings.append(f"{name} holds values that are not finite; predictions will be meaningless")
    classes = _classes(source, specification.classifier.classes, published, given)
    left = sorted(arrays.keys() - set(used))
    report = Report(tuple(arrays), tuple(used), tuple(left), tuple(warnings))
    return Checkpoint(specification, classes, weights, source.provenance(kind)), report


def _class_count(
    source: Source, specification: Specification, arrays: Mapping[str, Array], names: Mapping[str, str]
) -> int:
    """Return the file's number of outputs, once every array of the main network is known to be there."""
    main = replace(specification, auxiliary=())
    missing = [names[key] for key in expected_tensors(main) if names[key] not in arrays and not key.endswith(COUNTER)]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        there = ", ".join(shown(name) for name in list(arrays)[:3]) or "no arrays at all"
        lack = f"for want of {missing[0]}{more} (it holds {there} ...)"
        raise InputError(f"{source.path}: not the weights of {specification.name}, {lack}")
    return (arrays[names["classifier.weight"]].shape or (0,))[0]


def _with_classes(source: Source, specification: Specification, count: int) -> Specification:
    try:
        return specification.with_classes(count)
    except InputError as error:
        raise InputError(f"{source.path}: {error}") from error


def _with_heads(
    specification: Specification, arrays: Mapping[str, Array], names: Mapping[str, str]
) -> tuple[Specification, list[str]]:
    """Return the specification with the heads that the file has whole, and warnings that name the others."""
    heads, warnings = [], []
    expected = expected_tensors(specification)
    for head in specification.auxiliary:
        shapes = {names[key]: expected[key] for key in expected if key.startswith(f"{head.name}.")}
        needed = {name: shape for name, shape in shapes.items() if not name.endswith(COUNTER)}
        faults = [
            _difference(name, arrays[name].shape, shape) if name in arrays else f"{name} is missing"
            for name, shape in needed.items()
            if name not in arrays or arrays[name].shape != shape
        ]
        if not faults:
            heads.append(head)
        elif any(name in arrays for name in needed):
            warnings.append(f"{head.name} is left out: {faults[0]}")
    return replace(specification, auxiliary=tuple(heads)), warnings


def _tensor(numbers: NDArray[Any], shape: tuple[int, ...]) -> "tuple[Tensor, bool]":
    """Return numbers as a tensor of its own, and whether all of them are finite."""
    import torch

    kind = np.float32 if np.issubdtype(numbers.dtype, np.floating) else np.int64
    with np.errstate(over="ignore", invalid="ignore"):  # doubles beyond float32 become infinite, which is warned of
        own = np.array(numbers, dtype=kind, order="C").reshape(shape)
    return torch.from_numpy(own), bool(np.isfinite(own).all())


def _classes(
    source: Source, count: int, published: tuple[Class, ...], given: Sequence[Class] | None
) -> tuple[Class, ...]:
    if given is None:
        return published if len(published) == count else numbered_classes(count)
    if len(given) != count:
        raise InputError(f"{source.path}: the network has {count} outputs, the list of classes names {len(given)}")
    return tuple(given)


def _difference(name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> str:
    sizes = ["x".join(map(str, shape)) or "one number" for shape in (found, expected)]
    return f"{shown(name)} is {shown(sizes[0])}, not {sizes[1]}"
