"""Stages in a folder: passed over where done for the same input, made anew for another, and timed over all calls."""

import json
import time
from pathlib import Path
from typing import get_args

import pytest

from googlenet.detection.detector import staging
from googlenet.detection.detector.stages import STAGES
from googlenet.detection.detector.staging import Stage, StageRecords, carry_out_stages
from googlenet.detection.detector.work import StageName
from googlenet.errors import BrokenOff, InputError


class Toy:
    """Two stages, each of a number, the second of the first as well; and one that lacks something."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.first, self.second, self.done = folder, 1, 2, list[str]()
        self.fails: Exception | None = None

    @property
    def stages(self) -> tuple[Stage["Toy"], ...]:
        return (
            Stage("first", lambda toy: toy.make("first"), lambda toy: toy.first, ("first",)),
            Stage("second", lambda toy: toy.make("second"), lambda toy: [toy.second], ("second",)),
            Stage("third", lambda toy: toy.make("third"), lambda _: 0, (), lambda _: "give --third"),
        )

    def make(self, name: str) -> dict[str, object]:
        if self.fails and name == "second":
            raise self.fails
        self.done.append(name)
        (self.folder / name).touch()
        return {name: (getattr(self, name), "ä\udc80")}

    def run(self, *chosen: str) -> dict[str, object]:
        return carry_out_stages(self.stages, self, StageRecords(self.folder), chosen)


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path)


def test_what_is_done_is_passed_over_and_says_the_same(toy: Toy):
    said = toy.run()
    assert said == {"first": [1, "ä\udc80"], "second": [2, "ä\udc80"]}
    assert toy.run() == said
    assert toy.done == ["first", "second"]


def test_another_input_makes_a_stage_and_those_after_it_anew(toy: Toy):
    toy.run()
    toy.second = 3
    assert toy.run()["second"] == [3, "ä\udc80"]
    assert toy.done == ["first", "second", "second"]
    toy.first = 5
    toy.run()
    assert toy.done[3:] == ["first", "second"]


def test_what_it_leaves_must_be_there(toy: Toy):
    toy.run()
    (toy.folder / "second").unlink()
    toy.run()
    assert toy.done == ["first", "second", "second"]


def test_some_stages_alone(toy: Toy):
    with pytest.raises(InputError, match="the stage first is not done; let --stages name it, too"):
        toy.run("second")
    assert toy.run("first") == {"first": [1, "ä\udc80"]}
    assert toy.run("second") == {"first": [1, "ä\udc80"], "second": [2, "ä\udc80"]}
    assert toy.done == ["first", "second"]
    assert set(toy.run("first")) == {"first", "second"}  # what is done says so
    toy.first = 9
    assert set(toy.run("first")) == {"first"}  # the second is that of another input
    with pytest.raises(InputError, match="--stages third: give --third"):
        toy.run("third")
    with pytest.raises(InputError, match="--stages fourth: no such stage; there are first, second, third"):
        toy.run("fourth")


def test_what_fails_after_some_work_is_broken_off(toy: Toy):
    toy.fails = InputError("the disk is full")
    with pytest.raises(BrokenOff, match="the disk is full"):
        toy.run()
    with pytest.raises(InputError, match="the disk is full") as caught:
        toy.run()
    assert not isinstance(caught.value, BrokenOff)  # nothing was done in this call
    toy.fails = None
    assert set(toy.run()) == {"first", "second"}


def test_the_time_of_a_stage_is_the_sum_of_all_calls(toy: Toy, monkeypatch: pytest.MonkeyPatch):
    now = [100.0]
    monkeypatch.setattr(staging.time, "monotonic", lambda: now[0])

    def end(of: str, error: BaseException) -> None:
        with StageRecords(toy.folder).timing("first", of, None):
            now[0] += 7
            raise error

    with pytest.raises(KeyboardInterrupt):
        end("a", KeyboardInterrupt())
    with pytest.raises(InputError):
        end("of another input", InputError("refused"))
    records = StageRecords(toy.folder)
    assert records.seconds(["first", "second"]) == {"first": 7}
    with records.timing("first", "a", None):
        now[0] += 3
    assert StageRecords(toy.folder).seconds(["first"]) == {"first": 10}
    with StageRecords(toy.folder).timing("first", "of another input", None):
        now[0] += 2
    assert StageRecords(toy.folder).seconds(["first"]) == {"first": 2}


def test_the_time_is_kept_while_a_stage_goes_on(toy: Toy, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(staging, "EVERY", 0.05)
    with StageRecords(toy.folder).timing("first", "a", None):
        deadline = time.monotonic() + 120
        while not StageRecords(toy.folder).seconds(["first"])["first"] >= 0.1:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.mark.parametrize("text", ["{", "[]", '{"first": 3, "second": {"seconds": "x", "of": ""}}'])
def test_damaged_records_are_made_anew(toy: Toy, text: str):
    said = toy.run()
    (toy.folder / "stages.json").write_text(text)
    assert toy.run() == said
    assert set(json.loads((toy.folder / "stages.json").read_text())) == {"first", "second"}


def test_the_stages_of_a_detector_are_those_that_the_command_knows():
    assert tuple(stage.name for stage in STAGES) == get_args(StageName)
