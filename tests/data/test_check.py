"""What `check` finds in data sets that are wrong in known ways."""

import json
import shutil
import struct

import pytest
from PIL import Image

from googlenet.data.check import check
from googlenet.data.digits import Digits
from googlenet.data.folder import Folder
from googlenet.images import decoding


def test_nothing_is_wrong_with_the_digits():
    told = []
    found = check(Digits("train"), Digits("validation"), told.append)
    assert found.problems == ()
    assert sum(told) == 1797
    assert found.training.images == 1438
    assert sum(found.training.images_of_class.values()) == 1438
    assert (found.training.width.smallest, found.training.height.largest) == (8, 8)
    assert found.training.imbalance < 1.1


@pytest.fixture
def spoilt(class_folders, shared):
    """A training and a validation folder with one of everything that can be wrong."""
    validation = class_folders.parent / "validation"
    for name in ("10", "Dog", "cat"):
        (validation / name).mkdir(parents=True)
    shutil.copy(class_folders / "cat" / "0.png", validation / "cat" / "same.png")
    shutil.copy(class_folders / "10" / "3.png", class_folders / "Dog" / "copy.png")
    shutil.copy(shared / "data" / "broken-images" / "truncated.jpg", class_folders / "cat" / "t.jpg")
    shutil.copy(shared / "data" / "broken-images" / "bomb-50000x50000.png", class_folders / "cat" / "b.png")
    (class_folders / "eel").mkdir()
    for i in range(45):
        (class_folders / "10" / f"x{i}.txt.png").write_bytes(f"no image {i}".encode())
    return Folder(class_folders), Folder(validation)


def test_everything_that_is_wrong_is_listed(spoilt):
    found = check(*spoilt)
    bad = [name.rpartition("/")[2] for name, _ in found.training.bad_images]
    assert sorted(bad) == sorted([f"x{i}.txt.png" for i in range(45)] + ["b.png", "t.jpg"])
    assert found.training.empty_classes == ("eel",)
    assert found.validation.empty_classes == ("10", "Dog")
    both, twice = sorted(found.duplicates, key=lambda d: not d.in_training_and_validation)
    assert [name.rpartition("photos/")[2] for name in both.names[:1]] == ["cat/0.png"]
    assert both.names[1].endswith("validation/cat/same.png")
    assert not both.contradict
    assert twice.classes == ("10", "Dog")
    assert found.training.imbalance == pytest.approx(49 / 3)
    assert found.training.width.median == 12
    assert found.training.images == 9 + 3 + 45
    problems = "\n".join(found.problems)
    assert "cat/t.jpg: not a whole JPEG file" in problems
    assert "cat/b.png: declares 50000 x 50000 pixels" in problems
    assert "class eel has no images" in problems
    assert "validation: class Dog has no images" in problems
    assert "the same image in training and validation: " in problems
    assert "the same image twice or more, as 10 and Dog: " in problems
    assert "the largest class has 16 times the images of the smallest" in problems


def test_json(spoilt):
    values = json.loads(json.dumps(check(*spoilt).to_json()))
    assert set(values) == {"training", "validation", "duplicates", "problems"}
    assert values["training"]["empty_classes"] == ["eel"]
    assert values["training"]["width"] == {"smallest": 12, "median": 12, "largest": 12}
    assert len(values["duplicates"]) == 2
    assert json.loads(json.dumps(check(spoilt[0]).to_json()))["validation"] is None


def test_sizes_are_those_of_pictures_that_are_decoded_at_half_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "MAXIMUM_PIXELS", 100)
    for name in ("ash", "beech"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (17, 12), "green").save(tmp_path / name / "a.jpg", exif=b"Exif\0\0MM\0*" + EXIF_6)
    found = check(Folder(tmp_path)).training
    assert (found.bad_images, found.width.median, found.height.median) == ((), 12, 17)


EXIF_6 = struct.pack(">LHHHLHH", 8, 1, 274, 3, 1, 6, 0) + bytes(4)
