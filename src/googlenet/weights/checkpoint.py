"""One file for a network that can be used: weights, specification, classes, and where they came from.

A safetensors file, so reading it runs no code. Its metadata holds the rest as JSON texts. All but the numbers is read
and judged without torch, which takes seconds to load.
"""

import json
import logging
import os
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from googlenet.errors import InputError, shown
from googlenet.files import atomic_write, expect, open_regular, recorded_name
from googlenet.network.graph import Convolve, expand
from googlenet.network.specification import Specification
from googlenet.weights.classes import Class
from googlenet.weights.kinds import BEGINNING, kind_of
from googlenet.weights.tensor_file import TensorFile, open_tensors, write_tensors

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["WEIGHTS_NAME", "Checkpoint", "Description", "describe", "expect_classes", "expected_tensors", "read"]
__all__ += ["read_beside", "save", "shareable", "today"]

FORMAT = "googlenet-checkpoint-1"

WEIGHTS_NAME = "model.safetensors"
"""What a checkpoint is called where a folder stands for a model (`googlenet.weights.model_folder`)."""

BESIDE = "beside."
"""How the names of tensors begin that are not the network's: readers of checkpoints pass them over."""

DEEPEST = 30
"""Objects and lists within each other in a provenance; a training's has four."""

log = logging.getLogger("googlenet")


@dataclass(frozen=True)
class Description:
    """What a checkpoint says besides its weights; see `Checkpoint`."""

    specification: Specification
    classes: tuple[Class, ...]
    provenance: Mapping[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """A network's specification (which holds its pixels), classes in the order of its outputs, and weights.

    `weights` are the entries of `Network.state_dict()`. `provenance` is a JSON object: `source`, `sha256`, `date`,
    `recipe`, `metrics`, whatever is known.
    """

    specification: Specification
    classes: tuple[Class, ...]
    weights: "Mapping[str, Tensor]"
    provenance: Mapping[str, Any] = field(default_factory=dict)


def save(
    path: str | os.PathLike[str],
    checkpoint: Checkpoint,
    more: Mapping[str, str] | None = None,
    beside: "Mapping[str, Tensor] | None" = None,
) -> None:
    """Write `checkpoint` to one file, atomically; `more` are other texts by name that its metadata is to hold.

    So are the tensors `beside` it, which `read_beside` returns. Raises `InputError` where it cannot be written.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in checkpoint.weights.items()}
    _check(shapes, checkpoint.specification, checkpoint.classes, str(path))
    metadata = {
        **(more or {}),
        "format": FORMAT,
        "specification": checkpoint.specification.to_json(),
        "classes": json.dumps([[item.id, item.name] for item in checkpoint.classes], ensure_ascii=False),
        "provenance": json.dumps(shareable(dict(checkpoint.provenance)), ensure_ascii=False),
    }
    own = {BESIDE + name: tensor for name, tensor in (beside or {}).items()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in (*checkpoint.weights.items(), *own.items())}
    with atomic_write(path) as file:
        write_tensors(file, tensors, metadata)


def read(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint, or the one in a model's folder.

    Raises `InputError` that names the file and what differs from its own specification.
    """
    path = _file(path)
    with open_tensors(path) as file:
        found = _describe(file, path)
        weights = {name: file.read(name) for name in file.shapes if not name.startswith(BESIDE)}
    _warn_of_broken_weights(weights, str(path))
    return Checkpoint(found.specification, found.classes, weights, found.provenance)


def read_beside(path: str | os.PathLike[str]) -> "dict[str, Tensor]":
    """Read the tensors that stand beside a checkpoint in its file, by name. Raises `InputError` as `read` does."""
    with open_tensors(_file(path)) as file:
        return {name.removeprefix(BESIDE): file.read(name) for name in file.shapes if name.startswith(BESIDE)}


def describe(path: str | os.PathLike[str]) -> Description:
    """Read all of a checkpoint but its weights. Raises `InputError` as `read` does."""
    path = _file(path)
    with open_tensors(path) as file:
        return _describe(file, path)


def expect_classes(found: Checkpoint | Description, path: str | os.PathLike[str]) -> None:
    """Raise `InputError` for a network that finds boxes, where one that tells classes is meant."""
    if not found.classes:
        raise InputError(f"{os.fspath(path)}: a network of boxes, which knows no classes; give other weights")


def expected_tensors(specification: Specification) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every tensor of a network with its heads."""
    expected: dict[str, tuple[int, ...]] = {}
    for node in expand(specification):
        if node.weight is None:
            continue
        expected[f"{node.key}.weight"] = node.weight
        if node.bias:
            expected[f"{node.key}.bias"] = node.weight[:1]
        if isinstance(node.operation, Convolve) and node.operation.batch_norm:
            for name in ("weight", "bias", "running_mean", "running_var"):
                expected[f"{node.key}.batch_norm.{name}"] = node.weight[:1]
            expected[f"{node.key}.batch_norm.num_batches_tracked"] = ()
    return expected


def shareable(value: Any, depth: int = 0) -> Any:
    """Return a provenance without what may be private: folders above a file's own, and secrets within URLs."""
    if depth > DEEPEST:
        raise InputError(f"the provenance is nested more than {DEEPEST} deep")
    if isinstance(value, dict):
        return {key: shareable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [shareable(item, depth + 1) for item in value]
    is_place = isinstance(value, str) and ("://" in value or PurePath(value).is_absolute() or value.startswith("~"))
    return recorded_name(value) if is_place else value


def today() -> str:
    """Return the date and time for a provenance, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _file(path: str | os.PathLike[str]) -> Path:
    expect(path)
    path = Path(path)
    if os.path.isfile(path / WEIGHTS_NAME):  # noqa: PTH113  no name is too long for it
        path = path / WEIGHTS_NAME
    _refuse_foreign(path)
    return path


def _describe(file: TensorFile, path: Path) -> Description:
    where = str(path)
    if file.metadata.get("format") != FORMAT:
        raise InputError(f"{where}: not a checkpoint of this package; {_import_it(path)}")
    specification = Specification.from_json(file.metadata.get("specification", ""), f"{where}: specification")
    classes = _read_classes(file.metadata.get("classes", ""), where)
    provenance = _read_object(file.metadata.get("provenance", "{}"), where)
    shapes = {name: shape for name, shape in file.shapes.items() if not name.startswith(BESIDE)}
    _check(shapes, specification, classes, where)
    return Description(specification, classes, provenance)


def _check(
    shapes: Mapping[str, tuple[int, ...]], specification: Specification, classes: Sequence[Class], where: str
) -> None:
    """Raise `InputError` unless weights, classes and specification agree."""
    expected = expected_tensors(specification)
    _check_names(shapes.keys(), expected.keys(), specification.name, where)
    for name, shape in shapes.items():
        if shape != expected[name]:
            found, right = list(shape), list(expected[name])
            raise InputError(f"{where}: {name} has shape {found}, the specification says {right}")
    outputs = specification.classifier.classes
    if len(classes) != outputs:
        raise InputError(f"{where}: {len(classes)} classes are named for {outputs} outputs")
    ids = [item.id for item in classes]
    if len(set(ids)) != len(ids):
        twice, _ = Counter(ids).most_common(1)[0]
        raise InputError(f"{where}: class id '{shown(twice)}' is there twice")


def _refuse_foreign(path: Path) -> None:
    """Raise `InputError` for weights in the form of another program, which `googlenet import` reads."""
    try:
        with open_regular(path) as file:
            beginning = file.read(BEGINNING)
    except OSError:
        return  # the reader of checkpoints says what is wrong
    if b'"googlenet-ensemble' in beginning:
        raise InputError(f"{path}: an ensemble, where one network is meant; name one of its members")
    kind = kind_of(beginning)
    if kind not in (None, "safetensors"):
        raise InputError(f"{path}: weights in the form of another program ({kind}); {_import_it(path)}")


def _import_it(path: Path) -> str:
    own = path.with_name(f"{path.stem}-imported" if path.suffix == ".safetensors" else path.stem)
    return f"import it: googlenet import {shlex.quote(str(path))} -o {shlex.quote(f'{own}.safetensors')}"


def _warn_of_broken_weights(weights: "Mapping[str, Tensor]", where: str) -> None:
    broken = [name for name, tensor in weights.items() if not bool(tensor.isfinite().all())]
    if broken:
        more = f" (and {len(broken) - 1} more tensors)" if len(broken) > 1 else ""
        log.warning("%s: %s%s holds values that are not finite: its answers will be wrong", where, broken[0], more)


def _check_names(found: Set[str], expected: Set[str], network: str, where: str) -> None:
    missing, surplus = sorted(expected - found), sorted(found - expected)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(f"{where}: {missing[0]}{more} missing for {network}")
    if surplus:
        more = f" and {len(surplus) - 1} more" if len(surplus) > 1 else ""
        raise InputError(f"{where}: {shown(surplus[0])}{more} not part of {network}")


def _read_classes(text: str, where: str) -> tuple[Class, ...]:
    try:
        pairs = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: the classes cannot be read ({shown(str(error))}); fetch or save it again") from None
    for number, pair in enumerate(pairs if isinstance(pairs, list) else [pairs]):
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)):
            reason = f"class {number} is no pair of an id and a name but {shown(repr(pair))}"
            raise InputError(f"{where}: the classes cannot be read ({reason}); save it again")
    return tuple(Class(identity, name) for identity, name in pairs)


def _read_object(text: str, where: str) -> dict[str, Any]:
    try:
        value = shareable(json.loads(text))
    except (ValueError, RecursionError) as error:  # of which InputError is one
        raise InputError(f"{where}: the provenance cannot be read ({shown(str(error))}); save it again") from None
    if not isinstance(value, dict):
        raise InputError(f"{where}: the provenance cannot be read ({shown(repr(value))} is no object); save it again")
    return value
