"""What a page says of an asynchronous run: how it was to go, how late gradients came, what was lost."""

from pathlib import Path
from typing import Any

import pytest
from matplotlib import image

from googlenet.reporting.curves import Panel
from googlenet.training import exchange_report

EXCHANGE: dict[str, Any] = {
    **{"name": "downpour", "wire": "bfloat16", "mitigation": "bounded", "fetch_every": 1, "push_every": 3},
    **{"warm_start": 0, "adagrad": False, "bound": 2, "replicas": 2, "shards": 2},
    **{"staleness": [{"0": 2, "1": 1, "10": 1}, {"0": 4}], "clocks": [4, 4]},
    **{"lost_replicas": 1, "lost_pushes": 2, "lost_shards": 1, "lost_updates": 5, "dropped_pushes": 1},
}


def test_the_figures_are_those_of_the_summary() -> None:
    how, late, lost = exchange_report.figures(EXCHANGE)
    assert (how.value, how.note) == (
        "downpour",
        "2 replicas, 2 shards; mitigation bounded bound 2; fetch every step, push every 3 steps; bfloat16 on the wire",
    )
    assert (late.value, late.note) == ("1.38", "updates that a gradient came late, on average; 10 at most")
    assert (lost.value, lost.note) == (
        "8",
        "pushes and updates: 2 pushes with 1 replica, 5 updates with 1 shard, 1 push dropped as too late",
    )


def test_of_processes_in_step_there_are_facts_alone(tmp_path: Path) -> None:
    exchange = {"name": "step", "processes": 2, "wire": "float32"}
    assert exchange_report.figures(exchange) == exchange_report.figures({}) == []
    assert exchange_report.staleness_chart(tmp_path / "staleness.png", exchange) is None
    assert exchange_report.facts(exchange) == {"exchange": "step", "processes": 2, "wire": "float32"}
    assert exchange_report.facts(EXCHANGE)["shards"] == 2
    assert "clocks" not in exchange_report.facts(EXCHANGE)


def test_staleness_is_a_histogram_of_each_shard_half_as_wide_as_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = exchange_report.staleness_chart(tmp_path / "staleness.png", EXCHANGE)
    assert found is not None
    assert found.half
    assert image.imread(tmp_path / "staleness.png").shape[:2] == (540, 780)
    panels: list[Panel] = []
    monkeypatch.setattr(exchange_report, "draw_curves", lambda path, drawn, x_label: panels.extend(drawn))
    exchange_report.staleness_chart(tmp_path / "staleness.png", EXCHANGE)
    exchange_report.staleness_chart(tmp_path / "staleness.png", EXCHANGE | {"staleness": 8 * [{"0": 1, "1": 3}]})
    few, many = panels
    assert few.bars
    assert [(curve.name, list(curve.y)) for curve in few.curves] == [
        ("shard 0", [0.5, 0.25, *[0] * 8, 0.25]),
        ("shard 1", [1]),
    ]
    assert [(curve.name, list(curve.y)) for curve in many.curves] == [("all 8 shards", [0.25, 0.75])]
