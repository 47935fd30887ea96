"""A cache of proposals that processes fill, killed at random moments or at the same time. `filling` runs them."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("filling")


@pytest.fixture(scope="module")
def processes(folder):
    """What is told of each process, by the cache that it filled."""
    program = Path(__file__).parent / "filling.py"
    done = subprocess.run([sys.executable, program, folder], capture_output=True, text=True, check=False, timeout=600)
    assert (done.stderr, done.returncode) == ("", 0)
    told = list(map(json.loads, done.stdout.splitlines()))
    return {cache: [one for one in told if one["cache"] == cache] for cache in ("whole", "killed", "together")}


@pytest.fixture(scope="module")
def whole(folder, processes):
    """What an undisturbed process printed, and what it computed."""
    (one,) = processes["whole"]
    assert one["status"] == 0
    return (folder / "whole.jsonl").read_text(), one["begun"]


def files(cache):
    found = (path for path in cache.rglob("*") if path.is_file() and path.parent.name != "locks")
    return {str(path.relative_to(cache)): path.read_bytes() for path in found}


def test_equal_pixels_are_searched_once(whole):
    output, begun = whole
    assert len(output.splitlines()) == 11
    assert len(begun) == len(set(begun)) == 10 * 2


def test_what_was_whole_at_a_kill_is_not_computed_again(processes, whole):
    rounds = processes["killed"]
    assert sum(one["killed"] for one in rounds) >= 3
    for one in rounds:
        assert not one["kept"].keys() & set(one["begun"])
    assert len(rounds[-1]["kept"]) + len(rounds[-1]["begun"]) == len(whole[1])


def test_what_a_kill_leaves_is_whole_and_goes_on_to_the_same(folder, processes, whole):
    *killed, last = processes["killed"]
    assert (last["killed"], last["status"]) == (False, 0)
    assert (folder / f"{last['name']}.jsonl").read_text() == whole[0]
    told = files(folder / "whole")
    assert files(folder / "killed") == told  # nothing unfinished is left either
    for one in killed:
        assert whole[0].startswith((folder / f"{one['name']}.jsonl").read_text())


def test_several_at_once_share_the_work_and_say_the_same(folder, processes, whole):
    hanging, *others = processes["together"]
    assert (hanging["killed"], [one["status"] for one in others]) == (True, [0] * 4)
    for one in others:
        assert sorted((folder / f"{one['name']}.jsonl").open()) == sorted(whole[0].splitlines(keepends=True))
    assert files(folder / "together") == files(folder / "whole")
    begun = Counter(name for one in others for name in one["begun"])
    assert set(begun.values()) == {1}
    assert begun.keys() | set(hanging["begun"]) == set(whole[1])
    assert begun.keys() & set(hanging["begun"])  # of which it held the locks
    assert sum(bool(one["begun"]) for one in others) > 1
