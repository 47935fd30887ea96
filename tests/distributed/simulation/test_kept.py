"""Finished runs are found again by what they depend on, and a damaged file costs no more than its runs."""

import json
import os

import pytest
from studies import learnt

from googlenet.distributed.simulation.kept import KeptRuns
from googlenet.errors import InputError

OF = {"arm": "downpour", "workers": 4, "rate": 0.1}
RUN = learnt("downpour", 4, 10.0, rate=0.1)


def test_a_run_is_found_again_by_what_it_depends_on(tmp_path):
    KeptRuns(tmp_path).add(OF, RUN)
    again = KeptRuns(tmp_path)
    assert again.find(dict(reversed(OF.items()))) == RUN
    assert again.find(OF | {"rate": 0.2}) is None
    again.add(OF | {"rate": 0.2}, learnt("downpour", 4, 5.0, met=False, rate=0.2))
    assert KeptRuns(tmp_path).find(OF) == RUN
    assert KeptRuns(tmp_path).find(OF | {"rate": 0.2}).reached is None


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = KeptRuns(None)
    kept.add(OF, RUN)
    assert kept.find(OF) == RUN
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ['{"of": "', "[]", '{"of": "x", "run": {"arm": "none"}}', "\x00", 200_000 * "["])
def test_what_cannot_be_read_is_done_again(tmp_path, damage):
    KeptRuns(tmp_path).add(OF, RUN)
    path = tmp_path / "runs.jsonl"
    path.write_text(f"{damage}\n{path.read_text()}")
    assert KeptRuns(tmp_path).find(OF) == RUN


POINT = {"seconds": 1.0, "images": 8, "accuracy": 0.5}


@pytest.mark.parametrize(
    "damage",
    [
        {"points": []},
        {"points": [POINT | {"accuracy": -1e300}], "reached": None},
        {"points": [POINT | {"accuracy": 1.1}], "reached": None},
        {"points": [POINT | {"seconds": 0.0}], "reached": None},
        {"points": [POINT | {"images": -8}], "reached": None},
        {"points": [POINT | {"images": 16}, POINT], "reached": None},
        {"points": [POINT | {"seconds": 2.0}, POINT | {"images": 16}], "reached": None},
        {"points": [POINT], "reached": POINT | {"seconds": 0.1}},
        {"workers": -4},
        {"arm": "backup"},
        {"rate": 0.2},
    ],
)
def test_a_run_that_makes_no_sense_is_done_again(tmp_path, damage):
    KeptRuns(tmp_path).add(OF, RUN)
    path = tmp_path / "runs.jsonl"
    line = json.loads(path.read_text())
    path.write_text(json.dumps(line | {"run": line["run"] | damage}))
    kept = KeptRuns(tmp_path)
    assert kept.find(OF) is None
    kept.add(OF, RUN)
    assert KeptRuns(tmp_path).find(OF) == RUN


@pytest.mark.skipif(os.name != "posix", reason="named pipes are POSIX's")
def test_a_pipe_keeps_nobody_waiting(tmp_path):
    os.mkfifo(tmp_path / "runs.jsonl")
    with pytest.raises(InputError, match=r"runs.jsonl: not a file but a folder, pipe or device"):
        KeptRuns(tmp_path)
