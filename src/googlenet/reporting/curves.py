"""Loss and accuracy over a training run, as one PNG."""

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from googlenet.files import atomic_write

__all__ = ["Curve", "Panel", "draw_curves", "smooth"]


@dataclass(frozen=True)
class Curve:
    """One measured quantity, named after its head or its set of weights: `y[i]` was seen at step or epoch `x[i]`.

    A curve of many noisy points (training) is drawn faintly as it is, and boldly as the mean of the `smoothing` points
    around each; one of few exact points (validation) has `smoothing` 0 and is drawn with markers. Values that are not
    finite leave a gap.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    smoothing: int = 0


@dataclass(frozen=True)
class Panel:
    """Curves that share axes. With `share` the values are between 0 and 1 and the axis is in percent."""

    label: str
    curves: tuple[Curve, ...]
    share: bool = False


def draw_curves(
    path: str | os.PathLike[str], panels: Sequence[Panel], *, x_label: str = "step", x_logarithmic: bool = False
) -> None:
    """Write a PNG with one chart for each panel, side by side, two in a row.

    A name has one colour throughout. A loss that falls to less than a thirtieth is drawn on a logarithmic axis, which
    is said beside it. A chart is 780 x 540 pixels. Raises `ValueError` where there is no panel or where a curve has
    not as many x as y.
    """
    if not panels:
        raise ValueError("curves need at least one panel")
    names = list(dict.fromkeys(curve.name for panel in panels for curve in panel.curves))
    colours = {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(names)}
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(6.5 * columns, 4.5 * rows), dpi=120, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    for axes, panel in zip(figure.subplots(rows, columns, squeeze=False).flat, panels, strict=False):
        _draw_panel(axes, panel, colours, x_label)
        if x_logarithmic:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
            axes.autoscale(axis="x")
    for axes in figure.axes[len(panels) :]:
        axes.remove()
    content = io.BytesIO()
    figure.savefig(content, format="png")
    with atomic_write(path) as file:
        file.write(content.getvalue())


def smooth(y: Sequence[float] | NDArray[np.float64], points: int) -> NDArray[np.float64]:
    """Return the mean of the `points` values around each (fewer at the ends), leaving out what is not finite.

    Centred, so that a smoothed curve is not late. Where no value around is finite the result is NaN.
    """
    values = np.asarray(y, dtype=np.float64)
    finite = np.isfinite(values)
    totals = np.concatenate([[0.0], np.cumsum(np.where(finite, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(finite)])
    index = np.arange(len(values))
    first = np.maximum(index - (points - 1) // 2, 0)
    last = np.minimum(index + points // 2 + 1, len(values))
    with np.errstate(invalid="ignore"):
        return (totals[last] - totals[first]) / (counts[last] - counts[first])


# Okabe and Ito's colours, which colour-blind people can tell apart (without their yellow: too pale on white).
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_MARKERS = "osD^vP*"
_MOST_POINTS = 4000  # more than the pixels of a chart's width would only cost time


def _draw_panel(axes: Axes, panel: Panel, colours: dict[str, str], x_label: str) -> None:
    bold: list[NDArray[np.float64]] = []
    for curve in panel.curves:
        bold.append(_draw_curve(axes, curve, colours[curve.name], list(colours).index(curve.name)))
    values = np.concatenate([np.empty(0), *bold])
    values = values[np.isfinite(values)]
    axes.set_xlabel(x_label)
    axes.set_ylabel(panel.label, parse_math=False)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    if panel.share:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    elif values.size and values.min() > 0 and values.max() > 30 * values.min():
        axes.set_yscale("log")
        axes.set_ylabel(f"{panel.label} (logarithmic)", parse_math=False)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(color="#d0d7de", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if panel.curves:
        for text in axes.legend(fontsize=9, framealpha=0.85).get_texts():
            text.set_parse_math(False)


def _draw_curve(axes: Axes, curve: Curve, colour: str, index: int) -> NDArray[np.float64]:
    """Draw one curve; return the values of its bold line."""
    x = np.asarray(curve.x, dtype=np.float64)
    y = np.where(np.isfinite(np.asarray(curve.y, dtype=np.float64)), np.asarray(curve.y, dtype=np.float64), np.nan)
    if len(x) != len(y):
        raise ValueError(f"the curve {curve.name!r} has {len(x)} x for {len(y)} y")
    thin = slice(None, None, max(1, len(x) // _MOST_POINTS))
    if curve.smoothing < 2:
        marker = _MARKERS[index % len(_MARKERS)]
        size = 6 if len(x) <= 60 else 3
        axes.plot(x, y, color=colour, marker=marker, markersize=size, linewidth=1, label=curve.name)
        return y
    line = smooth(y, curve.smoothing)
    axes.plot(x[thin], y[thin], color=colour, alpha=0.25, linewidth=0.8, label=f"{curve.name}, each point")
    axes.plot(x[thin], line[thin], color=colour, linewidth=2, label=f"{curve.name}, mean of {curve.smoothing}")
    return line
