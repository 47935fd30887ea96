"""What rows cost, measured: remembered, decided otherwise, and in proportion to the work."""

from dataclasses import replace
from pathlib import Path

import pytest

from googlenet.errors import InputError
from googlenet.network.specification import Classifier, Convolution, Specification
from googlenet.network.stages import cut, rows_of
from googlenet.network.zoo import specification
from googlenet.training import row_costs as module
from googlenet.training.execution import Execution
from googlenet.training.row_costs import row_costs

TINY = specification("googlenet-tiny", width=0.25)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLENET_CACHE", str(tmp_path))
    monkeypatch.delenv("GOOGLENET_FORMS", raising=False)
    monkeypatch.setattr("googlenet.machine.PAUSE", 0.0)


def test_every_row_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = row_costs(TINY, Execution(), 2)
    assert first.seconds is not None
    assert tuple(first.seconds) == rows_of(TINY)
    assert all(0 < seconds < 10 for seconds in first.seconds.values())
    assert str(first) == "time, forward and backward, measured now"
    monkeypatch.setattr(module._Rows, "compute", lambda *_: pytest.fail("measured again"))
    second = row_costs(TINY, Execution(), 2)
    assert second.seconds == first.seconds
    assert str(second).endswith("as measured before on this machine")
    with pytest.raises(pytest.fail.Exception):
        row_costs(TINY, replace(Execution(), channels_last=False), 2)


def test_a_row_of_most_of_the_work_takes_most_of_the_time() -> None:
    rows = (Convolution("first", 4, 1, 1), Convolution("wide", 192, 5, 1), Convolution("last", 4, 1, 1))
    network = Specification("uneven", rows, Classifier(2), input=(3, 48, 48))
    costs = row_costs(network, Execution(), 2).seconds
    assert costs is not None
    assert costs["wide"] > 0.5 * sum(costs.values())
    assert any(stage.rows == ("wide",) for stage in cut(network, 3, costs).stages)


def test_who_is_told_does_not_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module._Rows, "compute", lambda *_: pytest.fail("measured"))
    monkeypatch.setenv("GOOGLENET_FORMS", "stage-costs=multiply-adds")
    found = row_costs(TINY, Execution(), 2)
    assert found.seconds is None
    assert str(found) == "multiply-adds, as GOOGLENET_FORMS says"
    monkeypatch.setenv("GOOGLENET_FORMS", "stage-costs=guesses")
    with pytest.raises(InputError, match="'guesses' is no form of stage-costs here; there is measured, multiply-adds"):
        row_costs(TINY, Execution(), 2)


def test_what_is_too_large_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module._Rows, "compute", lambda *_: pytest.fail("measured"))
    found = row_costs(specification("googlenet"), Execution(), 400)
    assert str(found) == "multiply-adds, as measuring so large a network would take too long"
