"""A network as plain frozen data, to and from JSON: everything that tells one GoogLeNet from another.

A specification is a list of rows as in the paper's Table 1, the auxiliary classifiers that hang on some of them, the
final classifier, how convolutions are padded and normalised, and what the pixels must look like. Channel counts live
here and nowhere else: cost, module, importers and export read them from `googlenet.network.graph.expand`.
"""

import json
from dataclasses import dataclass, replace
from math import prod
from sys import float_info

from googlenet.errors import InputError, shown
from googlenet.network.graph import expand
from googlenet.network.parts import (
    AdaptiveAveragePool,
    Auxiliary,
    AveragePool,
    BatchNorm,
    Classifier,
    Convolution,
    ConvolutionStyle,
    Dropout,
    Inception,
    LocalResponseNorm,
    MaxPool,
    MultiBox,
    Pixels,
    Resize,
    Row,
    SeparableConvolution,
)
from googlenet.records import decode, encode

__all__ = [
    "VERSION",
    "AdaptiveAveragePool",
    "Auxiliary",
    "AveragePool",
    "BatchNorm",
    "Classifier",
    "Convolution",
    "ConvolutionStyle",
    "Dropout",
    "Inception",
    "LocalResponseNorm",
    "MaxPool",
    "MultiBox",
    "Pixels",
    "Resize",
    "Row",
    "SeparableConvolution",
    "Specification",
]

VERSION = 1

MOST_ACTIVATIONS = 1 << 30
"""Numbers in the blobs of one image, heads included: 4 GiB of float32, over a hundred times those of `googlenet`."""

MOST_PARAMETERS = 1 << 32
"""Weights of a network, heads included: 16 GiB of float32; `googlenet` at 16 times its width has 3.4 billion."""


@dataclass(frozen=True)
class Specification:
    """A network. `input` is [channels, height, width] as trained; other sizes work as far as the grid allows.

    `classifier` is what it ends with: one output a class, or boxes (`MultiBox`, which goes with no auxiliary heads).

    Creating one checks it: a value out of range, a name twice, a grid that shrinks below 1, a head on a row that does
    not exist, or more numbers than `MOST_ACTIVATIONS` and `MOST_PARAMETERS` raise `InputError` with the row's name.
    """

    name: str
    rows: tuple[Row, ...]
    classifier: Classifier | MultiBox
    input: tuple[int, int, int] = (3, 224, 224)
    auxiliary: tuple[Auxiliary, ...] = ()
    convolution: ConvolutionStyle = ConvolutionStyle()  # noqa: RUF009 (frozen)
    pixels: Pixels = Pixels()  # noqa: RUF009 (frozen)

    def __post_init__(self) -> None:
        _check_names(self)
        _check_ranges(self)
        _check_size(self)

    def with_classes(self, classes: int) -> "Specification":
        """Return the same network, to tell so many classes apart."""
        return replace(self, classifier=Classifier(classes, self.classifier.hidden))

    def to_json(self) -> str:
        """Return the specification as JSON text, every value in it; `from_json` gives an equal one back."""
        return json.dumps({"version": VERSION} | encode(self), indent=1)

    @classmethod
    def from_json(cls, text: str, where: str = "specification") -> "Specification":
        """Read a specification; raises `InputError` that names `where` and the row or field at fault."""
        try:
            value = json.loads(text)
            version = value.pop("version", None) if isinstance(value, dict) else None
            if version is None:
                raise InputError(f'{where}: the version is missing (this release writes "version": {VERSION})')
            if version != VERSION:
                found = f"version {shown(repr(version))} is not known (this release reads {VERSION})"
                raise InputError(f"{where}: {found}; update googlenet")
            return decode(cls, value, where)
        except InputError:
            raise
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where}: not JSON ({error})") from None


_LARGEST = 1 << 16
"""No count in a specification is larger, so that a hostile one cannot ask for endless memory."""

_MOST_ROWS = 1000
"""Rows and heads of a network; keeps the walk over a hostile one short."""

_LONGEST_NAME = 100


def _check_ranges(specification: Specification) -> None:
    _check_count(specification.name, "input", *specification.input)
    _check_classifier(specification.classifier)
    for row in specification.rows:
        _check_row(row)
    for head in specification.auxiliary:
        _check_row(head.pool, head.name)
        _check_count(head.name, "channels", head.channels)
        _check_count(head.name, "hidden", *head.hidden)
        _check_rate(head.name, head.dropout)
    pixels = specification.pixels
    _check_count("pixels", "resize size", pixels.resize.size)
    _check_finite("pixels", pixels.white, *pixels.mean, *pixels.scale)
    if pixels.white <= 0 or not all(pixels.scale):
        raise InputError("pixels: white and scale must not be zero")
    if specification.input[0] != 3:
        raise InputError(f"{specification.name}: input has {specification.input[0]} channels; pictures have 3")
    style = specification.convolution
    if style.batch_norm:
        _check_finite("convolution", style.batch_norm.epsilon)
    if style.batch_norm and not (style.batch_norm.epsilon > 0 and 0 <= style.batch_norm.momentum <= 1):
        raise InputError("convolution: batch_norm needs an epsilon above 0 and a momentum between 0 and 1")


def _check_classifier(classifier: Classifier | MultiBox) -> None:
    _check_count("classifier", "hidden", *classifier.hidden)
    if isinstance(classifier, Classifier):
        _check_count("classifier", "classes", classifier.classes)
        return
    _check_count("classifier", "outputs (five a prior)", classifier.outputs)
    for number, prior in enumerate(classifier.priors):
        _check_finite(f"classifier: prior {number}", *prior)
        if not (prior[0] < prior[2] and prior[1] < prior[3]):
            raise InputError(f"classifier: prior {number}: {list(prior)} is no box x0 < x1, y0 < y1")
    _check_finite("classifier: unit", classifier.unit)
    if classifier.unit <= 0:
        raise InputError("classifier: unit must be above 0")


def _check_size(specification: Specification) -> None:
    activations, parameters = prod(specification.input), 0
    for node in expand(specification):
        activations += prod(node.output)
        parameters += prod(node.weight) if node.weight else 0
        if activations > MOST_ACTIVATIONS:
            raise InputError(f"{node.name}: up to here over {MOST_ACTIVATIONS:,} numbers an image, which is too many")
        if parameters > MOST_PARAMETERS:
            raise InputError(f"{node.name}: up to here over {MOST_PARAMETERS:,} weights, which is too many")


def _check_row(row: Row, owner: str = "") -> None:
    name = owner or row.name
    match row:
        case Convolution():
            _check_count(name, "channels, kernel and stride", row.channels, row.kernel, row.stride)
            _check_count(name, "reduce", row.reduce, least=0)
        case SeparableConvolution():
            _check_count(
                name, "channels, kernel, stride and multiplier", row.channels, row.kernel, row.stride, row.multiplier
            )
        case MaxPool() | AveragePool():
            _check_count(name, "kernel and stride", row.kernel, row.stride)
            if isinstance(row, MaxPool) and not 0 <= row.padding <= row.kernel // 2:
                raise InputError(
                    f"{name}: a padding of {row.padding} is not within half of the {row.kernel}x{row.kernel} window"
                )
        case AdaptiveAveragePool():
            _check_count(name, "size", row.size)
        case LocalResponseNorm():
            _check_count(name, "size", row.size)
            _check_finite(name, row.alpha, row.beta, row.k)
            if not (row.k > 0 and row.alpha >= 0):
                raise InputError(f"{name}: k must be above 0 and alpha not below it")
        case Dropout():
            _check_rate(name, row.rate)
        case Inception():
            _check_count(name, "n1x1, n3x3, n5x5 and kernel_5x5", row.n1x1, row.n3x3, row.n5x5, row.kernel_5x5)
            _check_count(name, "reductions and pool_proj", row.n3x3_reduce, row.n5x5_reduce, row.pool_proj, least=0)


def _check_count(name: str, what: str, *counts: int, least: int = 1) -> None:
    for count in counts:
        if type(count) is not int:
            raise InputError(f"{name}: {what}: expected whole numbers, found {shown(repr(count))}")
        if not least <= count <= _LARGEST:
            raise InputError(f"{name}: {what} must be between {least} and {_LARGEST}, found {count}")


def _check_finite(name: str, *values: float) -> None:
    for value in values:
        if not abs(value) <= float_info.max:  # `isfinite` raises for a whole number of over 308 digits
            raise InputError(f"{name}: {shown(str(value))} is not a finite number")


def _check_rate(name: str, rate: float) -> None:
    if not 0 <= rate < 1:
        raise InputError(f"{name}: a dropout rate of {rate} is not within 0 and 1")


def _check_names(specification: Specification) -> None:
    reserved = {"input", "classifier", "softmax", "logits"}
    seen = set(reserved)
    parts = (*specification.rows, *specification.auxiliary)
    if len(parts) > _MOST_ROWS:
        raise InputError(f"{shown(specification.name)}: {len(parts)} rows and heads are more than {_MOST_ROWS}")
    for part in parts:
        row = f"row '{shown(part.name)}'"
        if not part.name.replace("_", "a").replace("-", "a").isalnum() or len(part.name) > _LONGEST_NAME:
            raise InputError(f"{row}: a name is made of letters, digits, '_' and '-', {_LONGEST_NAME} at most")
        if part.name in seen:
            raise InputError(f"{row}: the name is {'reserved' if part.name in reserved else 'there twice'}")
        seen.add(part.name)
    if specification.auxiliary and isinstance(specification.classifier, MultiBox):
        raise InputError(f"{specification.auxiliary[0].name}: a network of boxes has no auxiliary heads")
    rows = {row.name for row in specification.rows}
    for head in specification.auxiliary:
        if head.after not in rows:
            raise InputError(f"{head.name}: there is no row '{shown(head.after)}' for it to hang on")
