"""Hostile predictions: one line each, or the right meaning, in bounded time and memory. `hostile` has them judged."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What came of each, in a process whose memory is limited; a crash or traceback ends it."""
    program = Path(__file__).parent / "hostile.py"
    command = [sys.executable, str(program), str(tmp_path_factory.mktemp("hostile"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.stderr == ""
    assert done.returncode == 0
    return list(map(json.loads, done.stdout.splitlines()))


def test_there_are_more_than_two_hundred(told):
    assert len(told) > 200
    assert len({one["name"] for one in told}) == len(told)
    assert {one["name"].partition("-")[0] for one in told} >= {"coco", "lines", "voc", "torn", "pipe", "empty"}


def test_what_means_nothing_is_refused_in_one_line(told):
    assert [one["name"] for one in told if one["meant"] is None and one["status"] != 2] == []
    for one in told:
        if one["status"] == 2:
            assert len(one["said"]) == 1, one["name"]
        else:
            assert len(one["said"]) <= 3, one["name"]
        assert all(text.isprintable() and len(text) < 600 for text in one["said"]), one["name"]


def test_what_only_looks_strange_has_its_meaning(told):
    for one in told:
        if isinstance(one["meant"], dict):
            expected = one["meant"] | {"mean": pytest.approx(one["meant"]["mean"], abs=0.01)}
            assert (one["status"], one["found"]) == (0, expected), (one["name"], one["said"])


def test_none_takes_long(told):
    assert {one["name"]: one["seconds"] for one in told if one["seconds"] > 15} == {}
    assert sum(one["seconds"] for one in told) < 60
