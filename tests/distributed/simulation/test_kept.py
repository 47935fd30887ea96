"""Finished runs are found again by what they depend on, and a damaged file costs no more than its runs."""

import pytest
from studies import learnt

from googlenet.distributed.simulation.kept import KeptRuns

RUN = learnt("downpour", 4, 10.0)


def test_a_run_is_found_again_by_what_it_depends_on(tmp_path):
    KeptRuns(tmp_path).add({"rate": 0.1, "arm": "downpour"}, RUN)
    again = KeptRuns(tmp_path)
    assert again.find({"arm": "downpour", "rate": 0.1}) == RUN
    assert again.find({"arm": "downpour", "rate": 0.2}) is None
    again.add({"rate": 0.2}, learnt("downpour", 4, 5.0, met=False))
    assert KeptRuns(tmp_path).find({"rate": 0.1, "arm": "downpour"}) == RUN
    assert KeptRuns(tmp_path).find({"rate": 0.2}).reached is None


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = KeptRuns(None)
    kept.add({"rate": 0.1}, RUN)
    assert kept.find({"rate": 0.1}) == RUN
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ['{"of": "', "[]", '{"of": "x", "run": {"arm": "none"}}', "\x00", 200_000 * "["])
def test_what_cannot_be_read_is_done_again(tmp_path, damage):
    KeptRuns(tmp_path).add({"rate": 0.1}, RUN)
    path = tmp_path / "runs.jsonl"
    path.write_text(f"{damage}\n{path.read_text()}")
    assert KeptRuns(tmp_path).find({"rate": 0.1}) == RUN
