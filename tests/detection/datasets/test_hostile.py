"""Two hundred hostile files: one line each, in bounded time and memory. `hostile` makes and reads them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

READABLE = {
    *("voc-35", "voc-53"),  # a width that says nothing
    *("voc-54", "voc-55", "voc-58", "voc-64"),  # unusual encodings that XML knows
    "voc-69",  # very many attributes
    "blacklist-3",  # a picture that is not in the list
}
"""Files that only look strange."""


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """What was said of each, by a process whose memory is limited; a crash or traceback ends it."""
    program = Path(__file__).parent / "hostile.py"
    command = [sys.executable, str(program), str(tmp_path_factory.mktemp("hostile"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.stderr == ""
    assert done.returncode == 0
    return list(map(json.loads, done.stdout.splitlines()))


def test_there_are_two_hundred(lines):
    assert len(lines) >= 200
    assert len({line["name"] for line in lines}) == len(lines)


def test_of_each_one_line_is_said(lines):
    silent = {line["name"] for line in lines if not line["said"]}
    assert silent == READABLE
    assert [line["name"] for line in lines if len(line["said"]) > 1] == []
    for line in lines:
        assert all(one.isprintable() and len(one) < 600 for one in line["said"]), line["name"]


def test_none_takes_long(lines):
    assert {line["name"]: line["seconds"] for line in lines if line["seconds"] > 5} == {}
    assert sum(line["seconds"] for line in lines) < 40
