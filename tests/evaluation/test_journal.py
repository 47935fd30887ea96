"""Records on the disk: from several writers, after a kill, and under another plan."""

import json
from pathlib import Path

import numpy as np
import pytest

from googlenet.errors import InputError
from googlenet.evaluation.journal import DONE, UNREADABLE, Journal, record_type

KIND = record_type(2, 3)
PLAN = {"weights": ["a"], "crops": ["1"]}


def record(value: float) -> np.ndarray:
    made = np.zeros((), KIND)
    made["state"], made["preparing"] = DONE, value
    return made


def test_several_writers_and_one_reader(tmp_path: Path):
    first, second = Journal(tmp_path, PLAN, 5, KIND), Journal(tmp_path, PLAN, 5, KIND)
    first.write(0, record(0.5))
    second.write(4, record(4.5))
    second.fail(2, "cup.jpg: not a whole JPEG file")
    assert first.states().tolist() == [DONE, 0, UNREADABLE, 0, DONE]
    assert first.records()["preparing"].tolist() == [0.5, 0, 0, 0, 4.5]
    assert first.reasons() == {2: "cup.jpg: not a whole JPEG file"}


def test_it_goes_on(tmp_path: Path):
    journal = Journal(tmp_path, PLAN, 3, KIND)
    journal.write(1, record(1.5))
    journal.close()
    (tmp_path / "unreadable.jsonl").write_text('{"image": 0, "rea')  # a kill
    again = Journal(tmp_path, PLAN, 3, KIND)
    assert again.states().tolist() == [0, DONE, 0]
    assert again.reasons() == {}


def test_a_record_that_is_damaged_counts_as_not_written(tmp_path: Path):
    journal = Journal(tmp_path, PLAN, 3, KIND)
    for image in range(3):
        journal.write(image, record(image + 0.5))
    path = tmp_path / "records.bin"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # one bit of the second
    path.write_bytes(content)
    assert journal.states().tolist() == [DONE, 0, DONE]
    assert journal.records()["preparing"].tolist() == [0.5, 0, 2.5]


def test_records_of_another_plan_count_as_not_written(tmp_path: Path):
    Journal(tmp_path, PLAN, 3, KIND).write(1, record(1.5))
    (tmp_path / "plan.json").unlink()
    assert Journal(tmp_path, PLAN, 3, KIND).states().tolist() == [0, DONE, 0]
    (tmp_path / "plan.json").unlink()
    assert Journal(tmp_path, PLAN | {"weights": ["b"]}, 3, KIND).states().tolist() == [0, 0, 0]


def test_another_plan_is_refused_with_what_differs(tmp_path: Path):
    Journal(tmp_path, PLAN, 3, KIND).close()
    with pytest.raises(InputError, match=r'holds another evaluation \(crops: \["1"\] there, \["10"\] here\)'):
        Journal(tmp_path, PLAN | {"crops": ["10"]}, 3, KIND)


def test_a_damaged_folder_is_one_line(tmp_path: Path):
    Journal(tmp_path, PLAN, 3, KIND).close()
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(InputError, match="holds another evaluation"):
        Journal(tmp_path, PLAN, 3, KIND)
    (tmp_path / "plan.json").write_text(json.dumps(["no", "object"]))
    with pytest.raises(InputError, match="holds another evaluation"):
        Journal(tmp_path, PLAN, 3, KIND)


def test_nothing_is_asked_of_no_images(tmp_path: Path):
    journal = Journal(tmp_path, PLAN, 0, KIND)
    assert len(journal.states()) == len(journal.records()) == 0
