"""One way to open every kind of data set, and the classes that training refuses."""

import logging
import shutil

import numpy as np
import pytest

from googlenet.data.dataset import Subset
from googlenet.data.digits import Digits
from googlenet.data.folder import Folder
from googlenet.data.list_file import ListFile
from googlenet.data.plausibility import refuse_unlearnable
from googlenet.data.shards import Shards
from googlenet.data.sources import expect_source, open_dataset, open_training, open_validation
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


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", "\udcff"])
def test_names_that_cannot_be_shown_are_names(class_folders, tmp_path, name):
    with pytest.raises(InputError, match="no such file or folder"):
        expect_source(str(tmp_path / name))
    try:
        class_folders.rename(tmp_path / name)
    except OSError:
        pytest.skip("this file system has no such names")
    expect_source(str(tmp_path / name))
    assert isinstance(open_dataset(str(tmp_path / name)), Folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "nowhere: no such file or folder"),
        ("a.png", "a.png: an image, not a data set"),
        ("shards", "shards: holds tar shards; name those that are meant, such as '.*shards/t-0.tar'"),
        ("https://example.org/photos", "behind a URL only .tar, .tar.gz and .tgz"),
        ("d.zip", "d.zip: an archive, not a data set; unpack it and give the folder"),
        ("d.tar.xz", "d.tar.xz: an archive, not a data set; unpack it"),
        ("x-*.tar", r"x-\*.tar: nothing matches this pattern"),
        ("missing.tar", r"missing.tar: cannot be read"),
        ("missing.tar.gz", r"missing.tar.gz: cannot be read"),
        ("digits:test", "no such file or folder"),
    ],
)
def test_what_is_no_data_set(tmp_path, monkeypatch, write_shard, name, message):
    for file in ("a.png", "d.zip", "d.tar.xz"):
        (tmp_path / file).write_bytes(b"")
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


def test_several_right_answers_are_for_those_who_ask_and_never_for_training(class_folders, write_shard, tmp_path):
    file = class_folders / "several.txt"
    file.write_text("cat/0.png cat|Dog\nDog/1.png Dog\n")
    shard = write_shard(
        tmp_path / "s.tar", [("a.png", b"x"), ("a.cls", b"cat|Dog"), ("b.png", b"x"), ("b.cls", b"Dog")]
    )
    for source, row in ((file, "several.txt, line 1"), (shard, "s.tar: a.png")):
        several = open_dataset(source, several_truths=True)
        assert [[several.classes[index].id for index in image] for image in several.truths] == [["cat", "Dog"], ["Dog"]]
        for refused in (lambda: open_dataset(source), lambda: open_training(source)):  # noqa: B023
            with pytest.raises(InputError, match=rf"{row}: label cat\|Dog gives several right answers"):
                refused()
    training = Folder(class_folders)
    with pytest.raises(InputError, match=r"several.txt, line 1: label cat\|Dog gives several right answers"):
        open_validation(file, training)
    opened = open_dataset(file, training.classes, several_truths=True)
    for refused in (lambda: open_training(opened), lambda: open_validation(opened, training)):
        with pytest.raises(
            InputError, match=r"listfile: several right answers for .*cat/0.png; give one for each image"
        ):
            refused()


def test_subset():
    digits = Digits()
    part = Subset(digits, [5, 3, 3])
    assert (len(part), part.name(0), part.read(2)) == (3, digits.name(5), digits.read(3))
    assert part.labels.tolist() == digits.labels[[5, 3, 3]].tolist()


def test_empty_classes_are_refused_before_training(class_folders):
    folder = Folder(class_folders)
    refuse_unlearnable(folder, "photos")
    (class_folders / "eel").mkdir()
    with pytest.raises(InputError, match="photos: no images of class eel; add some"):
        refuse_unlearnable(Folder(class_folders), "photos")
    part = Subset(folder, np.flatnonzero(folder.labels == 1))
    with pytest.raises(InputError, match="no images of class 10, cat"):
        refuse_unlearnable(part, "photos")


def test_labels_count_in_the_order_of_the_weights_classes(class_folders, tmp_path, caplog):
    """By id for folders; as indices for as many bare numbers; otherwise the classes are new ones."""
    known = tuple(Class(name, name) for name in ("cat", "Dog", "10"))
    assert open_training(class_folders, known).labels.tolist() == [2] * 4 + [1] * 2 + [0] * 3
    (tmp_path / "list.txt").write_text("a.png 0\nb.png 1\nc.png 2\n")
    with caplog.at_level(logging.INFO):
        assert open_training(tmp_path / "list.txt", known).classes == known
        assert [c.id for c in open_training(tmp_path / "list.txt", known[:2]).classes] == ["0", "1", "2"]
    assert "list.txt: the labels are numbers, taken as indices: 0 is class cat" in caplog.text
    assert "list.txt: the labels are numbers, of 3 new classes: the weights have 2" in caplog.text
    for before, name in (("10", "0"), ("Dog", "1"), ("cat", "2")):
        (class_folders / before).rename(class_folders / name)
    assert [c.id for c in open_training(class_folders, known).classes] == ["0", "1", "2"]  # names, not indices
    assert open_training("digits", tuple(Class(f"n{i}", f"n{i}") for i in range(10))).classes[3].id == "3"


def test_validation_images_may_lack_a_class(class_folders, tmp_path, caplog):
    training = open_training(class_folders)
    for name in ("10", "cat"):
        shutil.copytree(class_folders / name, tmp_path / "validation" / name)
    held_out = open_validation(tmp_path / "validation", training)
    assert held_out.classes == training.classes
    assert held_out.labels.tolist() == [0] * 4 + [2] * 3
    assert "validation: no images of class Dog, of which evaluations say nothing" in caplog.text
    (tmp_path / "validation" / "10").rename(tmp_path / "validation" / "eel")
    with pytest.raises(InputError, match="class eel is not among the 3 classes expected"):
        open_validation(tmp_path / "validation", training)
