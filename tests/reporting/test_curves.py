"""Curves: what is written, in which colours, under which names."""

import math
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from googlenet.reporting.curves import Curve, Panel, draw_curves, smooth

BLUE, ORANGE = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were written, to ask for what cannot be read from pixels."""
    written: list[Figure] = []
    savefig = Figure.savefig

    def remember(figure: Figure, *arguments: object, **options: object) -> None:
        written.append(figure)
        savefig(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", remember)
    return written


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def has(image: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((image == colour).all(axis=-1).any())


@pytest.mark.parametrize(
    ("panels", "shape"), [(1, (540, 780, 3)), (2, (540, 1560, 3)), (3, (1080, 1560, 3)), (4, (1080, 1560, 3))]
)
def test_a_chart_for_each_panel_two_in_a_row(tmp_path: Path, panels: int, shape: tuple[int, ...]) -> None:
    draw_curves(tmp_path / "curves.png", [Panel("loss", (Curve("classifier", [0, 1], [1, 2]),))] * panels)
    image = pixels(tmp_path / "curves.png")
    assert image.shape == shape
    assert has(image, BLUE)
    assert not has(image, ORANGE)
    assert (image[-1, -1] == 255).all()


def test_training_is_drawn_faint_and_bold_and_each_line_is_named(tmp_path: Path, figures: list[Figure]) -> None:
    steps = range(100)
    loss = Panel(
        "loss",
        (
            Curve("classifier", steps, [1 + 0.2 * (-1) ** step for step in steps], smoothing=10),
            Curve("auxiliary_4a", steps, [2 + 0.2 * (-1) ** step for step in steps], smoothing=10),
            Curve("validation", [49, 99], [1.5, 1.25]),
        ),
    )
    accuracy = Panel("top-1 accuracy", (Curve("auxiliary_4a", [0, 99], [0.25, 0.5]),), share=True)
    draw_curves(tmp_path / "curves.png", [loss, accuracy])
    left, right = figures[0].axes
    assert [text.get_text() for text in left.get_legend().get_texts()] == [
        "classifier, each point",
        "classifier, mean of 10",
        "auxiliary_4a, each point",
        "auxiliary_4a, mean of 10",
        "validation",
    ]
    raw, bold = left.lines[0], left.lines[1]
    assert raw.get_alpha() < 0.5 < 1 < bold.get_linewidth()
    np.testing.assert_allclose(bold.get_ydata()[10:90], 1)
    assert left.lines[4].get_marker() not in ("None", "")
    assert (left.get_xlabel(), left.get_ylabel(), right.get_ylabel()) == ("step", "loss", "top-1 accuracy")
    # The same name has the same colour in both charts: only auxiliary_4a is on the right.
    image = pixels(tmp_path / "curves.png")
    assert has(image[:, :780], BLUE)
    assert has(image[:, :780], ORANGE)
    assert has(image[:, 780:], ORANGE)
    assert not has(image[:, 780:], BLUE)
    assert "50 %" in [label.get_text() for label in right.get_yticklabels()]


def test_a_curve_on_another_hides_nothing_and_is_said_to_lie_there(tmp_path: Path, figures: list[Figure]) -> None:
    points = [0.25, 0.5, 0.75]
    one, other = Curve("one", [1, 2, 3], points), Curve("other", [1, 2, 3], points)
    partly = Curve("partly", [1, 2, 3], [0.25, 0.5, 1])
    draw_curves(tmp_path / "curves.png", [Panel("recall", (one, other, partly))])
    (axes,) = figures[0].axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["one", "other (the same as one)", "partly"]
    assert len({line.get_linestyle() + str(line.get_marker()) for line in axes.lines}) == 3
    axes.get_legend().remove()
    figures[0].savefig(tmp_path / "alone.png")
    for colour in (BLUE, ORANGE):
        assert (pixels(tmp_path / "alone.png") == colour).all(axis=-1).sum() > 100


def test_bars_begin_at_0_and_stand_beside_each_other(tmp_path: Path, figures: list[Figure]) -> None:
    one, other = Curve("one", [0, 1], [0.25, 0.75]), Curve("other", [0, 1], [0.5, 0.5])
    draw_curves(tmp_path / "bars.png", [Panel("pushes", (one, other), share=True, bars=True)])
    (axes,) = figures[0].axes
    assert [round(bar.get_center()[0], 9) for bar in axes.patches] == [-0.2, 0.8, 0.2, 1.2]
    assert [bar.get_height() for bar in axes.patches] == [0.25, 0.75, 0.5, 0.5]
    assert axes.get_ylim()[0] == 0
    assert axes.get_xlim()[0] < -0.4, "the first bar is whole"
    assert not axes.lines


@pytest.mark.parametrize(("last", "scale", "label"), [(0.01, "log", "loss (logarithmic)"), (0.5, "linear", "loss")])
def test_a_loss_that_falls_far_is_drawn_logarithmic(
    tmp_path: Path, figures: list[Figure], last: float, scale: str, label: str
) -> None:
    draw_curves(tmp_path / "curves.png", [Panel("loss", (Curve("classifier", [1, 2], [2.3, last]),))], x_label="epoch")
    (axes,) = figures[0].axes
    assert (axes.get_yscale(), axes.get_ylabel(), axes.get_xlabel()) == (scale, label, "epoch")


def test_what_is_not_finite_and_what_is_empty_can_be_drawn(tmp_path: Path) -> None:
    gaps = Curve("classifier", range(6), [math.nan, 2, math.inf, 1, -math.inf, math.nan], smoothing=3)
    never = Curve("$broken_{", range(2), [math.nan, math.nan])
    none = Curve("auxiliary_4a", [], [])
    draw_curves(tmp_path / "curves.png", [Panel("loss $x_{", (gaps, never, none)), Panel("top-1", (), share=True)])
    assert has(pixels(tmp_path / "curves.png"), BLUE)


def test_a_million_points_are_thinned(tmp_path: Path, figures: list[Figure]) -> None:
    steps = np.arange(1_000_000)
    draw_curves(tmp_path / "curves.png", [Panel("loss", (Curve("classifier", steps, np.sin(steps), 1001),))])
    assert all(len(line.get_xdata()) <= 4001 for line in figures[0].axes[0].lines)


def test_lengths_that_differ_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'classifier' has 2 x for 1 y"):
        draw_curves(tmp_path / "curves.png", [Panel("loss", (Curve("classifier", [1, 2], [1]),))])
    with pytest.raises(ValueError, match="at least one panel"):
        draw_curves(tmp_path / "curves.png", [])
    assert list(tmp_path.iterdir()) == []


def test_no_setting_of_the_process_changes(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    draw_curves(tmp_path / "curves.png", [Panel("loss", (Curve("classifier", [1, 2], [2, 1]),))])
    assert dict(matplotlib.rcParams) == before


def test_smoothing_is_the_mean_around_each_point() -> None:
    np.testing.assert_allclose(smooth([0, 3, 6, 0, 3], 3), [1.5, 3, 3, 3, 1.5])
    np.testing.assert_allclose(smooth([1, math.nan, 3, math.inf], 3), [1, 2, 3, 3])
    assert np.isnan(smooth([math.nan, math.nan, 1], 1)[:2]).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=1, max_size=40), st.integers(1, 50))
def test_smoothing_is_what_the_definition_says(values: list[float], points: int) -> None:
    expected = [
        np.mean(values[max(index - (points - 1) // 2, 0) : index + points // 2 + 1]) for index in range(len(values))
    ]
    np.testing.assert_allclose(smooth(values, points), expected, atol=1e-9)
