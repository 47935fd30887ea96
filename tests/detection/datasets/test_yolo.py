"""YOLO's folders and the YAML that describes them, against what a whole reader of YAML says where there is one."""

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import picture, yolo

from googlenet.detection.datasets.opening import open_annotated
from googlenet.detection.datasets.yolo_yaml import read_yolo_yaml
from googlenet.errors import InputError
from googlenet.weights.classes import Class

PLAIN = "train: images/train\nval: images/val\nnames:\n  0: dog\n  1: cat\n"


@pytest.fixture
def data(tmp_path):
    labels = [("a.txt", "1 0.5 0.5 1 1\n\n0 0.25 0.5 0.1 0.2\n")]
    path = yolo(tmp_path, PLAIN, labels)
    picture(tmp_path / "images/val/c.jpg")
    return path


def test_centre_and_size_are_shares_of_the_picture(data):
    found = open_annotated(data, "train")
    assert [one.id for one in found.classes] == ["dog", "cat"]
    objects = found.objects(0)
    assert objects.boxes.tolist() == [[0, 0, 50, 40], [10, 16, 15, 24]]
    assert objects.labels.tolist() == [1, 0]
    assert len(found.objects(1)) == 0  # no file of labels
    assert pickle.loads(pickle.dumps(found)).objects(0).labels.tolist() == [1, 0]  # our own


def test_of_a_picture_that_exif_turns_they_are_shares_as_it_is_seen(data):
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    picture(data.parent / "images/train/a.jpg", exif=exif)
    assert open_annotated(data, "train").objects(0).boxes.tolist()[0] == [0, 0, 40, 50]


def test_without_a_split_all_are_there(data):
    found = open_annotated(data)
    assert [found.name(index)[-11:] for index in range(3)] == ["train/a.jpg", "train/b.jpg", "s/val/c.jpg"]


def test_given_classes_are_matched_by_name(data):
    found = open_annotated(data, "train", (Class("cat", "cat"), Class("n1", "dog")))
    assert found.objects(0).labels.tolist() == [0, 1]


def test_lists_of_pictures_and_roots(data):
    root = data.parent
    (root / "some.txt").write_text("./images/train/b.jpg\nimages/train/a.jpg\n")
    (root / "deep").mkdir()
    (root / "deep" / "d.yaml").write_text("path: ..  # the root\ntrain: [some.txt, images/val]\nnc: 1\nnames: ['x']\n")
    found = open_annotated(root / "deep" / "d.yaml", "train")
    assert [found.name(index)[-5:] for index in range(3)] == ["b.jpg", "a.jpg", "c.jpg"]
    (root / "e.yaml").write_text("train: ../images/train\nnames: [dog, cat]\n")  # as some exports have it
    assert len(open_annotated(root / "e.yaml").objects(0)) == 2


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("0 0.5 0.5 1", "expected a class and four numbers"),
        ("0 0.5 0.5 1 1 0.9", "expected a class and four numbers"),
        ("dog 0.5 0.5 1 1", "expected a class and four numbers"),
        ("0 0.5 0.5 nan 1", "expected a number"),
        ("0 0.5 x 1 1", "expected a number"),
        ("0 320 240 100 50", "320 is no share of a picture"),
        ("7 0.5 0.5 1 1", "object 1 (7): its class is not among the 2"),
        ("99999999999999999999 0.5 0.5 1 1", "its class is not among the 2"),
    ],
)
def test_a_line_that_is_wrong_is_named(data, line, complaint):
    path = data.parent / "labels/train/a.txt"
    path.write_text(line)
    with pytest.raises(InputError) as error:
        open_annotated(data, "train").objects(0)
    assert str(error.value).startswith(str(path))
    assert complaint in str(error.value)


def test_a_box_without_size_is_left_out_and_told(data):
    (data.parent / "labels/train/a.txt").write_text("0 0.5 0.5 0 0.5\n1 0.5 0.5 1 1")
    found = open_annotated(data, "train")
    assert found.objects(0).labels.tolist() == [1]
    assert "object 1 (dog): a box without area, [0.5, 0.5, 0, 0.5]" in found.annotation(0).degenerate[0]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("names: [a]\n", "no split train, val, test; there are none"),
        ("train: images/train\n", "no names of classes"),
        ("train: images/train\nnames: {0: a, 2: b}", "not numbered from 0"),
        ("train: images/train\nnames: [a, a]", "the name a stands for several classes"),
        ("train: images/train\nnc: 3\nnames: [a, b]", "nc is 3, where 2 names are given"),
        ("train: nowhere\nnames: [a]", "nowhere is not there"),
        ("train: images/train\ntrain: b\nnames: [a]", "line 2: train is there twice"),
        ("train images/train\n", "line 1: expected 'name: value'"),
        ("train: &x images/train\nnames: [a]", "line 1: '&x images/train' is a form of YAML that is not read here"),
        ("train: *x\nnames: [a]", "not read here"),
        ("train: !!python/object/apply:os.system [ls]\nnames: [a]", "not read here"),
        ("train: images/train\nnames: [[a], b]", "levels within levels"),
        ("train: images/train\nnames: [a, b", "a '[' without its end"),
        ("train: images/train\nnames:\n  0: a\n    1: b", "line 4: levels within levels"),
        ("train: images/train\nnames:\n  0: a\n  0: b", "line 4: 0 is there twice"),
        ("train: >\n  images/train\nnames: [a]", "line 2: a text over several lines"),
        ("train: 'images/train\nnames: [a]", "not read here"),
        ("train: {a: b}\nnames: [a]", "a split is a path or a list of them"),
    ],
)
def test_a_description_that_is_wrong_is_named(data, text, complaint):
    data.write_text(text)
    with pytest.raises(InputError) as error:
        open_annotated(data)
    assert str(error.value).startswith(str(data))
    assert complaint in str(error.value)


def test_a_split_that_is_not_there_names_those_that_are(data):
    with pytest.raises(InputError, match="no split test; there are train, val"):
        open_annotated(data, "test")


REAL = """\
# a description as programs write them
path: ../datasets/coco8 # dataset root dir
train: images/train # train images (relative to 'path')
val: 'images/val'
test: # test images (optional)

names:
  0: person
  1: "traffic light"
  2: it's #1
  3: 'rock ''n'' roll'  # quoted
# another
download: |
  from x import y
  { not: [yaml
author: "A. U. Thor"
more: [ 'a, b', c,
        "d # e" ]
other:
- x
- 'y: z'
"""


def test_the_forms_that_programs_write(tmp_path):
    (tmp_path / "a.yaml").write_text(REAL)
    names = ("path", "train", "val", "test", "names", "author", "more", "other", "absent")
    assert read_yolo_yaml(tmp_path / "a.yaml", names) == {
        "path": "../datasets/coco8",
        "train": "images/train",
        "val": "images/val",
        "test": "",
        "names": {"0": "person", "1": "traffic light", "2": "it's", "3": "rock 'n' roll"},
        "author": "A. U. Thor",
        "more": ["a, b", "c", "d # e"],
        "other": ["x", "y: z"],
    }


def test_a_whole_reader_of_yaml_says_the_same(tmp_path):
    yaml = pytest.importorskip("yaml", reason="PyYAML is not here to compare with")
    (tmp_path / "a.yaml").write_text(REAL)
    whole = yaml.safe_load(REAL)
    del whole["download"]
    whole["names"] = {str(key): value for key, value in whole["names"].items()}
    whole["test"] = ""
    assert read_yolo_yaml(tmp_path / "a.yaml", whole) == whole


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=8), min_size=1))
def test_quoted_names_are_what_they_were(tmp_path_factory, names):
    path = tmp_path_factory.getbasetemp() / "quoted.yaml"
    quoted = ["'" + name.replace("'", "''") + "'" for name in names]
    path.write_text(f"flow: [{', '.join(quoted)}]\nblock:\n" + "".join(f"  - {name}\n" for name in quoted))
    assert read_yolo_yaml(path, ("flow", "block")) == {"flow": names, "block": names}
