"""Loss and accuracy over a training run, as one PNG."""

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
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
    around each; one of few exact points (validation) has `smoothing` 0 and is drawn with markers, in a dash of its own
    that lets a curve below it be seen. Values that are not finite leave a gap.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    smoothing: int = 0


@dataclass(frozen=True)
class Panel:
    """Curves that share axes. With `share` the values are between 0 and 1 and the axis is in percent.

    With `bars` the x are counts, such as of a histogram, and each point is a bar from 0, beside those of other curves.
    """

    label: str
    curves: tuple[Curve, ...]
    share: bool = False
    bars: bool = False


def draw_curves(
    path: str | os.PathLike[str], panels: Sequence[Panel], *, x_label: str = "step", x_logarithmic: bool = False
) -> None:
    """Write a PNG with one chart for each panel, side by side, two in a row.

    A name has one colour throughout; of an exact curve that lies wholly on another the legend says so. A loss that
    falls to less than a thirtieth is drawn on a logarithmic axis, which is said beside it. A chart is 780 x 540 pixels.
    Raises `ValueError` where there is no panel or where a curve has not as many x as y.
    """
    if not panels:
        raise ValueError("curves need at least one panel")
    styles = _styles(panels)
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(6.5 * columns, 4.5 * rows), dpi=120, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    for axes, panel in zip(figure.subplots(rows, columns, squeeze=False).flat, panels, strict=False):
        _draw_panel(axes, panel, styles, x_label)
        if x_logarithmic:
            axes.set_xscale("log")
            _write_out(axes.xaxis)
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
_DASHES: Sequence[str | tuple[float, tuple[float, ...]]] = ("-", (0, (5, 3)), (0, (1.5, 3)), (0, (7, 2, 1.5, 2)))
_LONGEST_ROW = 50  # characters of the legend
_MOST_POINTS = 4000  # more than the pixels of a chart's width would only cost time


@dataclass(frozen=True)
class _Style:
    """How the curves of a name look; points of exact ones, the `place`-th from 0, lie around those of one before."""

    colour: str
    marker: str
    place: int

    def of_points(self, count: int) -> dict[str, Any]:
        """Return the options of a line through so many points."""
        is_first = self.place == 0
        size = 5 + 2 * min(self.place, 4) if count <= 60 else 3
        return {
            "linestyle": _DASHES[self.place % len(_DASHES)],
            "linewidth": 1 if is_first else 1.6,
            "marker": self.marker,
            "markersize": size,
            "fillstyle": "full" if is_first else "none",
        }


def _styles(panels: Sequence[Panel]) -> dict[str, _Style]:
    curves = [curve for panel in panels for curve in panel.curves]
    exact = list(dict.fromkeys(curve.name for curve in curves if curve.smoothing < 2))
    return {
        name: _Style(
            _COLOURS[index % len(_COLOURS)],
            _MARKERS[index % len(_MARKERS)],
            exact.index(name) if name in exact else 0,
        )
        for index, name in enumerate(dict.fromkeys(curve.name for curve in curves))
    }


def _draw_panel(axes: Axes, panel: Panel, styles: dict[str, _Style], x_label: str) -> None:
    bold: list[NDArray[np.float64]] = []
    for number, curve in enumerate(panel.curves):
        if panel.bars:
            _draw_bars(axes, curve, styles[curve.name].colour, number, len(panel.curves))
            continue
        same = [other.name for other in panel.curves[:number] if _coincide(curve, other)]
        label = [curve.name, *(f"(the same as {name})" for name in same[:1])]
        between = "\n" if sum(map(len, label)) > _LONGEST_ROW else " "
        bold.append(_draw_curve(axes, curve, styles[curve.name], between.join(label)))
    values = np.concatenate([np.empty(0), *bold])
    values = values[np.isfinite(values)]
    axes.set_xlabel(x_label)
    axes.set_ylabel(panel.label, parse_math=False)
    if not panel.bars:
        axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    if panel.share:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    elif values.size and values.min() > 0 and values.max() > 30 * values.min():
        axes.set_yscale("log")
        axes.set_ylabel(f"{panel.label} (logarithmic)", parse_math=False)
        _write_out(axes.yaxis)
    axes.grid(color="#d0d7de", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if panel.curves:
        for text in axes.legend(fontsize=9, framealpha=0.85).get_texts():
            text.set_parse_math(False)


def _write_out(axis: Axis) -> None:
    """Have a logarithmic axis say 1, 2, 5, 10 and so on, as numbers."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set_minor_locator(NullLocator())


def _coincide(one: Curve, other: Curve) -> bool:
    """Whether two exact curves lie on each other."""
    return max(one.smoothing, other.smoothing) < 2 and all(
        np.array_equal(mine, its) for mine, its in ((one.x, other.x), (one.y, other.y))
    )


def _draw_bars(axes: Axes, curve: Curve, colour: str, number: int, count: int) -> None:
    """Draw the bars of one curve, the `number`-th of `count`, around each x."""
    width = 0.8 / count
    places = [x + width * (number - (count - 1) / 2) for x in curve.x]
    axes.bar(places, curve.y, width, color=colour, label=curve.name)


def _draw_curve(axes: Axes, curve: Curve, style: _Style, label: str) -> NDArray[np.float64]:
    """Draw one curve; return the values of its bold line."""
    x = np.asarray(curve.x, dtype=np.float64)
    y = np.where(np.isfinite(np.asarray(curve.y, dtype=np.float64)), np.asarray(curve.y, dtype=np.float64), np.nan)
    if len(x) != len(y):
        raise ValueError(f"the curve {curve.name!r} has {len(x)} x for {len(y)} y")
    colour = style.colour
    if curve.smoothing < 2:
        axes.plot(x, y, color=colour, label=label, **style.of_points(len(x)))
        return y
    thin = slice(None, None, max(1, len(x) // _MOST_POINTS))
    line = smooth(y, curve.smoothing)
    axes.plot(x[thin], y[thin], color=colour, alpha=0.25, linewidth=0.8, label=f"{label}, each point")
    axes.plot(x[thin], line[thin], color=colour, linewidth=2, label=f"{label}, mean of {curve.smoothing}")
    return line
