"""The networks that come with the package, and how one is made wider, narrower or fit to a budget."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf
from typing import Any, TypeVar

from googlenet.errors import InputError, whole
from googlenet.network.cost import multiply_adds
from googlenet.network.graph import expand
from googlenet.network.specification import (
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
    Specification,
)

__all__ = ["NETWORKS", "describe", "fit", "list_networks", "resized", "scale", "specification", "with_multibox"]

MODULES = (
    Inception("inception_3a", 64, 96, 128, 16, 32, 32),
    Inception("inception_3b", 128, 128, 192, 32, 96, 64),
    Inception("inception_4a", 192, 96, 208, 16, 48, 64),
    Inception("inception_4b", 160, 112, 224, 24, 64, 64),
    Inception("inception_4c", 128, 128, 256, 24, 64, 64),
    Inception("inception_4d", 112, 144, 288, 32, 64, 64),
    Inception("inception_4e", 256, 160, 320, 32, 128, 128),
    Inception("inception_5a", 256, 160, 320, 32, 128, 128),
    Inception("inception_5b", 384, 192, 384, 48, 128, 128),
)
"""Table 1's nine modules, as printed."""

HEADS = (Auxiliary("auxiliary_4a", after="inception_4a"), Auxiliary("auxiliary_4d", after="inception_4d"))


def _body(modules: tuple[Row, ...], last_pool: MaxPool | None = None) -> tuple[Row, ...]:
    """Return the rows from 3a to the dropout: two modules, a pool, five, a pool, two, the average pool."""
    return (
        *modules[:2],
        MaxPool("pool3", 3, 2),
        *modules[2:7],
        last_pool or MaxPool("pool4", 3, 2),
        *modules[7:],
        AveragePool("pool5", 7),
        Dropout("dropout", 0.4),
    )


def _stem(first: Row, norm1: LocalResponseNorm | None, norm2: LocalResponseNorm | None) -> tuple[Row, ...]:
    """Return the rows before 3a; Figure 3 has the normalisations that Table 1 leaves out."""
    rows = (
        first,
        MaxPool("pool1", 3, 2),
        norm1,
        Convolution("conv2", 192, 3, reduce=64),
        norm2,
        MaxPool("pool2", 3, 2),
    )
    return tuple(row for row in rows if row)


STEM = _stem(Convolution("conv1", 64, 7, stride=2), LocalResponseNorm("norm1"), LocalResponseNorm("norm2"))


def googlenet() -> Specification:
    """Table 1's channels with a dense stem, as Caffe built it: the network of nearly all public weights."""
    return Specification("googlenet", (*STEM, *_body(MODULES)), Classifier(1000), auxiliary=HEADS)


def googlenet_separable() -> Specification:
    """The stem that Table 1's 2.7K parameters and 34M operations imply: 7x7 depthwise, then 1x1."""
    stem = _stem(SeparableConvolution("conv1", 64, 7, stride=2), LocalResponseNorm("norm1"), LocalResponseNorm("norm2"))
    return replace(googlenet(), name="googlenet-separable", rows=(*stem, *_body(MODULES)))


def googlenet_naive() -> Specification:
    """Modules without reductions, Figure 2(a): what the 1x1 convolutions save."""
    modules = tuple(replace(module, n3x3_reduce=0, n5x5_reduce=0, pool_proj=0) for module in MODULES)
    return replace(googlenet(), name="googlenet-naive", rows=(*STEM, *_body(modules)))


def googlenet_bn() -> Specification:
    """Batch normalisation after every convolution in place of local response normalisation; real 5x5 kernels."""
    stem = _stem(Convolution("conv1", 64, 7, stride=2), None, None)
    style = ConvolutionStyle(batch_norm=BatchNorm())
    return replace(googlenet(), name="googlenet-bn", rows=(*stem, *_body(MODULES)), convolution=style)


def googlenet_torchvision() -> Specification:
    """torchvision's: 3x3 for 5x5, batch normalisation, a 2x2 fourth pool, dropout 0.2, adaptive auxiliary pools."""
    stem = _stem(Convolution("conv1", 64, 7, stride=2), None, None)
    modules = tuple(replace(module, kernel_5x5=3) for module in MODULES)
    *body, _, _ = _body(modules, last_pool=MaxPool("pool4", 2, 2))
    return Specification(
        "googlenet-torchvision",
        (*stem, *body, AdaptiveAveragePool("pool5", 1), Dropout("dropout", 0.2)),
        Classifier(1000),
        auxiliary=tuple(replace(head, pool=AdaptiveAveragePool("pool", 4)) for head in HEADS),
        convolution=ConvolutionStyle(batch_norm=BatchNorm()),
        # The published weights come from TF-slim, which trained on -1..1 (torchvision reaches it inside `forward`).
        pixels=Pixels(white=1.0, mean=(0.5, 0.5, 0.5), scale=(0.5, 0.5, 0.5)),
    )


def googlenet_google() -> Specification:
    """The network that Google published (`tensorflow_inception_graph.pb`): 204 and 48 channels, 1008 outputs."""
    same = [MaxPool(f"pool{number}", 3, 2, rounding="same") for number in (1, 2, 3, 4)]
    norm = LocalResponseNorm("norm1", size=11, alpha=1e-4, beta=0.5, k=2.0, divided=False)
    modules = [replace(module, n3x3=204) if module.name == "inception_4a" else module for module in MODULES]
    modules = [replace(module, n5x5_reduce=48) if module.name == "inception_5a" else module for module in modules]
    rows = (*_stem(Convolution("conv1", 64, 7, stride=2), norm, replace(norm, name="norm2")), *_body(tuple(modules)))
    pools = {pool.name: pool for pool in same}
    return Specification(
        "googlenet-google",
        tuple(pools.get(row.name, row) for row in rows),
        Classifier(1008),
        auxiliary=HEADS,
        convolution=ConvolutionStyle(padding="same"),
        pixels=Pixels(mean=(117.0, 117.0, 117.0), resize=Resize("centre-square", 224)),
    )


def googlenet_wide() -> Specification:
    """A wider one for ensembles; the paper's seventh model was wider too, by how much it does not say."""
    return replace(scale(googlenet(), width=1.25), name="googlenet-wide")


def googlenet_cifar() -> Specification:
    """Table 1's modules on 32 x 32 pictures: grids of 32, 16, 8 and 4, with batch normalisation, 10 classes."""
    rows = (
        Convolution("conv1", 64, 3),
        MaxPool("pool1", 3, 2),
        Convolution("conv2", 192, 3, reduce=64),
        *_body(MODULES),
    )
    return Specification(
        "googlenet-cifar",
        tuple(AveragePool("pool5", 4) if row.name == "pool5" else row for row in rows),
        Classifier(10),
        input=(3, 32, 32),
        auxiliary=HEADS,
        convolution=ConvolutionStyle(batch_norm=BatchNorm()),
        pixels=Pixels(resize=Resize("squash", 32)),
    )


def googlenet_tiny() -> Specification:
    """A quarter of the width and six modules on 32 x 32 pictures: trains in a minute, has every kind of row."""
    modules = {module.name: _scaled(module, 0.25) for module in MODULES}
    rows = (
        Convolution("conv1", 32, 3),
        MaxPool("pool1", 3, 2),
        LocalResponseNorm("norm1"),
        Convolution("conv2", 48, 3, reduce=32),
        LocalResponseNorm("norm2"),
        MaxPool("pool2", 3, 2),
        modules["inception_3a"],
        modules["inception_3b"],
        modules["inception_4a"],
        modules["inception_4d"],
        MaxPool("pool4", 3, 2),
        modules["inception_5a"],
        modules["inception_5b"],
        AveragePool("pool5", 4),
        Dropout("dropout", 0.4),
    )
    heads = tuple(replace(head, channels=32, hidden=(128,)) for head in HEADS)
    pixels = Pixels(resize=Resize("squash", 32))
    return Specification("googlenet-tiny", rows, Classifier(10), input=(3, 32, 32), auxiliary=heads, pixels=pixels)


def plain() -> Specification:
    """No Inception modules: a 1x1 and a 3x3 convolution in each one's place, same grid, outputs, depth and cost.

    The reductions are the multiples of 8 with which each pair costs nearest to its module.
    """
    reductions = (64, 88, 72, 88, 96, 112, 112, 128, 144)
    outputs = (256, 480, 512, 512, 512, 528, 832, 832, 1024)
    pairs = tuple(
        Convolution(module.name.replace("inception_", "conv"), channels, 3, reduce=reduce)
        for module, channels, reduce in zip(MODULES, outputs, reductions, strict=True)
    )
    heads = tuple(replace(head, after=head.after.replace("inception_", "conv")) for head in HEADS)
    return replace(googlenet(), name="plain", rows=(*STEM, *_body(pairs)), auxiliary=heads)


NETWORKS: dict[str, Callable[[], Specification]] = {
    "googlenet": googlenet,
    "googlenet-separable": googlenet_separable,
    "googlenet-naive": googlenet_naive,
    "googlenet-bn": googlenet_bn,
    "googlenet-torchvision": googlenet_torchvision,
    "googlenet-google": googlenet_google,
    "googlenet-wide": googlenet_wide,
    "googlenet-cifar": googlenet_cifar,
    "googlenet-tiny": googlenet_tiny,
    "plain": plain,
}


def list_networks() -> list[str]:
    """Return the names of the networks that come with the package."""
    return list(NETWORKS)


def specification(
    name: str,
    *,
    classes: int | None = None,
    width: float | None = None,
    budget: float | None = None,
    size: tuple[int, int] | None = None,
) -> Specification:
    """Return the network called `name`, with so many classes, scaled to `width` or to a multiply-add `budget`.

    `size` [height, width] is that of its pictures (`resized`). Raises `InputError` for an unknown name or a width,
    budget or size that cannot be had.
    """
    if name not in NETWORKS:
        raise InputError(f"network '{name}' is not known; there are {', '.join(NETWORKS)}")
    if width is not None and budget is not None:
        raise InputError("width and budget say the same thing; give one of them")
    result = NETWORKS[name]()
    if classes is not None:
        classes = whole("classes", classes)
        result = result.with_classes(classes)
    if size is not None:
        result = resized(result, size)
    if width is not None:
        return scale(result, width)
    return result if budget is None else fit(result, budget)


def describe(name: str) -> str:
    """Return one line about a network of the zoo."""
    return (NETWORKS[name].__doc__ or "").strip().splitlines()[0]


def scale(network: Specification, width: float) -> Specification:
    """Multiply every channel count by `width` (above 0, at most 16), rounded to multiples of 8 and never below 8."""
    if not 0 < width <= 16:
        raise InputError(f"width {width:g} is not above 0 and at most 16")
    if width == 1:
        return network
    return replace(
        network,
        name=f"{network.name}-x{width:.4g}",
        rows=tuple(_scaled(row, width) for row in network.rows),
        auxiliary=tuple(_scaled(head, width) for head in network.auxiliary),
        classifier=_scaled(network.classifier, width),
    )


def resized(network: Specification, size: tuple[int, int]) -> Specification:
    """Return `network` for pictures of `size` [height, width], with the same weights wherever it pools its grids.

    An average over the whole grid stays one, whatever the grid; the heads' average pools keep the number of their
    outputs, so that the layers behind them keep their shapes; pictures are resized in proportion. Raises `InputError`
    for a size at which a grid shrinks below 1.
    """
    if not isinstance(size, tuple | list) or len(size) != 2 or not all(type(length) is int for length in size):
        raise InputError(f"size {size!r}: give (height, width), two whole numbers of pixels")
    channels, *before = network.input
    if tuple(before) == tuple(size):
        return network
    grids = {node.name: node.output[1:] for node in expand(network)}
    resize = network.pixels.resize
    rows = [
        AdaptiveAveragePool(row.name, 1) if isinstance(row, AveragePool) and grids[row.name] == (1, 1) else row
        for row in network.rows
    ]
    heads = []
    for head in network.auxiliary:
        height, width = grids[f"{head.name}/pool"]
        pool = AdaptiveAveragePool(head.pool.name, height) if height == width else head.pool
        heads.append(replace(head, pool=pool))
    return replace(
        network,
        name=f"{network.name}-{size[0]}x{size[1]}",
        rows=tuple(rows),
        input=(channels, *size),
        auxiliary=tuple(heads),
        pixels=replace(network.pixels, resize=replace(resize, size=round(resize.size * max(size) / max(before)) or 1)),
    )


def with_multibox(network: Specification, priors: Sequence[tuple[float, float, float, float]]) -> Specification:
    """Return `network` with boxes in the classifier's place, one for each of `priors` (`MultiBox`).

    What follows the last grid, an average and dropout in all networks here, would forget where things are. It gives way
    to a 1x1 convolution, as in the auxiliary heads, and the boxes read the whole grid. Auxiliary heads go. Raises
    `InputError` for a network without such an end, or with a row of the convolution's name.
    """
    rows = list(network.rows)
    while rows and isinstance(rows[-1], AveragePool | AdaptiveAveragePool | Dropout):
        rows.pop()
    if len(rows) == len(network.rows):
        raise InputError(f"{network.name}: its last row is no average pool or dropout, in whose place boxes would come")
    return replace(
        network,
        name=f"{network.name}-multibox",
        rows=(*rows, Convolution("multibox", 128, 1)),
        classifier=MultiBox(tuple(priors)),
        auxiliary=(),
    )


def fit(network: Specification, budget: float) -> Specification:
    """Return the widest `network` (`scale`) whose inference takes at most `budget` multiply-adds an image."""
    if not 0 < budget < inf:
        raise InputError(f"budget {budget:g}: give a number of multiply-adds above 0")
    narrow, wide = 1e-3, 16.0
    if multiply_adds(scale(network, narrow)) > budget:
        least = multiply_adds(scale(network, narrow))
        raise InputError(f"budget {budget:g}: the narrowest {network.name} takes {least:,} multiply-adds")
    for _ in range(40):
        middle = (narrow + wide) / 2
        if multiply_adds(scale(network, middle)) <= budget:
            narrow = middle
        else:
            wide = middle
    return scale(network, narrow)


Part = TypeVar("Part", bound=Row | Auxiliary | Classifier | MultiBox)

_CHANNELS: dict[type, tuple[str, ...]] = {
    Convolution: ("channels", "reduce"),
    SeparableConvolution: ("channels",),
    Inception: ("n1x1", "n3x3_reduce", "n3x3", "n5x5_reduce", "n5x5", "pool_proj"),
    Auxiliary: ("channels", "hidden"),
    Classifier: ("hidden",),
    MultiBox: ("hidden",),
}
"""Which fields of which record are channel counts."""


def _scaled(part: Part, width: float) -> Part:
    fields: dict[str, Any] = {field: getattr(part, field) for field in _CHANNELS.get(type(part), ())}
    return replace(part, **{field: _rounded(count, width) for field, count in fields.items()})


def _rounded(count: Any, width: float) -> Any:
    if isinstance(count, tuple):
        return tuple(max(8, round(item * width / 8) * 8) for item in count)
    return max(8, round(count * width / 8) * 8) if count else 0
