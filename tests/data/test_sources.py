"""One way to open every kind of data set, and the classes that training refuses."""

import numpy as np
import pytest

from googlenet.data.dataset import Subset, refuse_empty_classes
from googlenet.data.digits import Digits
from googlenet.data.folder import Folder
from googlenet.data.list_file import ListFile
from googlenet.data.shards import Shards
from googlenet.data.sources import open_dataset
from googlenet.errors import InputError
from googlenet.weights.classes import Class


def test_each_kind_is_recognised(class_folders, write_shard, tmp_path, monkeypatch):
    shard = write_shard(tmp_path / "a.tar.gz", [("a.png", b"x"), ("a.cls", b"0")])
    (tmp_path / "val").write_text("a.png 0\n")
    (tmp_path / "val.csv").write_text("path,label\na.png,0\n")
    assert isinstance(open_dataset(class_folders), Folder)
    assert isinstance(open_dataset(str(shard)), Shards)
    assert isinstance(open_dataset(f"file://{shard}"), Shards)
    assert isinstance(open_dataset(tmp_path / "val"), ListFile)
    assert isinstance(open_dataset(tmp_path / "val.csv"), ListFile)
    digits = open_dataset("digits:validation")
    assert isinstance(digits, Digits)
    assert len(digits) < 400
    class_folders.rename(tmp_path / "digits")
    monkeypatch.chdir(tmp_path)
    assert isinstance(open_dataset("digits"), Folder)  # what is there comes first


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "nowhere: no such file or folder"),
        ("a.png", "a.png: an image, not a data set"),
        ("shards", "shards: holds tar shards; name those that are meant, such as '.*shards/t-0.tar'"),
        ("https://example.org/photos", "behind a URL only .tar and .tar.gz"),
        ("x-*.tar", r"x-\*.tar: nothing matches this pattern"),
        ("missing.tar", r"missing.tar: cannot be read"),
        ("missing.tar.gz", r"missing.tar.gz: cannot be read"),
        ("digits:test", "no such file or folder"),
    ],
)
def test_what_is_no_data_set(tmp_path, monkeypatch, write_shard, name, message):
    (tmp_path / "a.png").write_bytes(b"")
    write_shard(tmp_path / "shards" / "t-0.tar", [("a.png", b"x"), ("a.cls", b"0")])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message) as failure:
        open_dataset(name)
    assert str(failure.value).isprintable()


def test_digits_under_other_classes():
    classes = tuple(Class(str(d), f"digit {d}") for d in reversed(range(10)))
    data = open_dataset("digits:train", classes)
    assert data.classes == classes
    assert data.labels.tolist() == (9 - Digits("train").labels).tolist()
    with pytest.raises(InputError, match="digits: class 5, 6, 7, 8, 9 is not among the 5 classes"):
        open_dataset("digits", classes[5:])


def test_subset():
    digits = Digits()
    part = Subset(digits, [5, 3, 3])
    assert (len(part), part.name(0), part.read(2)) == (3, digits.name(5), digits.read(3))
    assert part.labels.tolist() == digits.labels[[5, 3, 3]].tolist()


def test_empty_classes_are_refused_before_training(class_folders):
    folder = Folder(class_folders)
    refuse_empty_classes(folder, "photos")
    (class_folders / "eel").mkdir()
    with pytest.raises(InputError, match="photos: no images of class eel; add some"):
        refuse_empty_classes(Folder(class_folders), "photos")
    part = Subset(folder, np.flatnonzero(folder.labels == 1))
    with pytest.raises(InputError, match="no images of class 10, cat"):
        refuse_empty_classes(part, "photos")
