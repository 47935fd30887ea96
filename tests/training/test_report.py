"""The curves of a run's report: what few steps are worth drawing."""

from googlenet.training.report import _curves
from googlenet.training.setup import Score

SCORE = Score("top1", "top-1")


def curves(steps: int) -> list[list[tuple[str, int]]]:
    """Return name and smoothing of what each panel shows of a run of so many steps, evaluated at its end."""
    records: list[dict[str, object]] = [
        {"event": "step", "step": step, "images": 2, "losses": {"main": 1.0, "aux": 2.0}, "top1": {"main": 0.5}}
        for step in range(1, steps + 1)
    ]
    for weights in ("raw", "averaged"):
        records.append({"event": "evaluation", "step": steps, "weights": weights, "loss": 1.0, "top1": 0.5})
    return [[(curve.name, curve.smoothing) for curve in panel.curves] for panel in _curves(records, SCORE)]


def test_few_steps_are_drawn_as_they_are_and_many_with_their_mean():
    validation = [("validation, raw weights", 0), ("validation, averaged weights", 0)]
    few, many = ([[("training main", n), ("training aux", n)], [("training main", n)]] for n in (0, 5))
    assert curves(1) == curves(2) == [part + validation for part in few]
    assert curves(11) == [part + validation for part in many]
