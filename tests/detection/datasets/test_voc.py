"""VOC folders: hand-written files, and the three real ones against the counts that their own documents give."""

import pickle
from collections import Counter

import numpy as np
import pytest
from worlds import voc, voc_xml

from googlenet.detection.datasets.opening import open_annotated, open_files
from googlenet.errors import InputError
from googlenet.weights.classes import Class


@pytest.fixture
def folder(tmp_path):
    pictures = {"2": [("dog", (1, 1, 50, 40)), ("cat", (3, 4, 12, 23), True)], "1": [("cat", (7, 7, 8, 8))], "3": []}
    return voc(tmp_path / "voc", pictures, test=["3", "2"])


def test_pixels_count_from_1_and_the_last_is_inside(folder):
    found = open_annotated(folder, "test")
    assert [one.id for one in found.classes] == ["cat", "dog"]
    assert [found.name(index) for index in range(len(found))] == [
        str(folder / "JPEGImages" / f"{name}.jpg") for name in "32"
    ]
    objects = found.objects(1)
    assert objects.boxes.tolist() == [[0, 0, 50, 40], [2, 3, 12, 23]]
    assert objects.labels.tolist() == [1, 0]
    assert objects.difficult.tolist() == [False, True]
    assert objects.areas.tolist() == [2000, 200]
    assert not objects.crowd.any()
    assert len(found.objects(0)) == 0
    assert found.read(1) == (folder / "JPEGImages" / "2.jpg").read_bytes()


def test_without_a_split_all_that_is_annotated_is_there_by_name(folder):
    found = open_annotated(folder)
    assert [name.rpartition("/")[2] for name in map(found.name, range(len(found)))] == ["1.jpg", "2.jpg", "3.jpg"]
    assert open_annotated(folder / "ImageSets/Main/test.txt").name(0) == str(folder / "JPEGImages/3.jpg")


def test_a_list_given_from_within_its_folder(folder, monkeypatch):
    monkeypatch.chdir(folder / "ImageSets" / "Main")
    assert len(open_annotated("test.txt")) == 2


def test_parts_have_boxes_of_their_own_that_do_not_count(folder):
    part = "<part><name>head</name><bndbox><xmin>9</xmin><ymin>9</ymin><xmax>10</xmax><ymax>10</ymax></bndbox></part>"
    text = voc_xml([("dog", (1, 2, 3, 4))]).replace("</object>", f"{part}</object>")
    (folder / "Annotations" / "1.xml").write_text(text)
    assert open_annotated(folder).objects(0).boxes.tolist() == [[0, 1, 3, 4]]


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (5, 5, 9, 5), (9, 5, 5, 9), (5, 5, 5, 5)])
def test_degenerate_boxes_are_left_out_and_told(folder, box):
    (folder / "Annotations" / "1.xml").write_text(voc_xml([("dog", box), ("cat", (1, 1, 2, 2))]))
    found = open_annotated(folder)
    assert found.objects(0).boxes.tolist() == [[0, 0, 2, 2]]
    (line,) = found.annotation(0).degenerate
    assert line.startswith(f"{folder}/Annotations/1.xml, object 1 (dog): a box without area, {list(box)}")


def test_given_classes_are_matched_by_id_then_by_a_name_that_is_alone(folder):
    given = (Class("n1", "dog"), Class("cat", "puss"), Class("n2", "crane"))
    assert open_annotated(folder, "test", given).objects(1).labels.tolist() == [0, 1]
    with pytest.raises(InputError, match=r"2\.xml, object 2 \(cat\): its class is not among the 1 \(dog\)"):
        open_annotated(folder, "test", (Class("dog", "dog"),)).objects(1)
    with pytest.raises(InputError, match=r"object 1 \(dog\): its class"):
        open_annotated(folder, "test", (Class("a", "dog"), Class("b", "dog"), Class("cat", "cat"))).objects(1)


def test_it_goes_to_another_process(folder):
    found = pickle.loads(pickle.dumps(open_annotated(folder)))  # our own
    assert found.objects(1).labels.tolist() == [1, 0]


def test_png_pictures_are_found_and_jpg_goes_first(folder):
    (folder / "JPEGImages" / "3.jpg").rename(folder / "JPEGImages" / "3.PNG")
    (folder / "JPEGImages" / "2.png").write_bytes(b"")
    assert [name[-5:] for name in map(open_annotated(folder).name, range(3))] == ["1.jpg", "2.jpg", "3.PNG"]


def without(text, *parts):
    for part in parts:
        text = text.replace(part, "")
    return text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<annotation><object>", "not whole XML"),
        ("", "not whole XML"),
        ('<?xml version="1.0" encoding="klingon"?><annotation/>', "not whole XML"),
        ("<kml/>", "no annotation but <kml>"),
        ("<!DOCTYPE annotation><annotation/>", "declares a document type"),
        (without(voc_xml([("dog", (1, 2, 3, 4))]), "<name>dog</name>"), "object 1: no <name>"),
        (without(voc_xml([("dog", (1, 2, 3, 4))]), "<ymax>4</ymax>"), "object 1: no <ymax>"),
        (voc_xml([("dog", (1, 2, 3, 4)), ("dog", (1, "x", 3, 4))]), "object 2, <ymin>: expected a number"),
        (voc_xml([("dog", (1, 2, "nan", 4))]), "<xmax>: expected a number"),
        (voc_xml([("dog", (1, 2, "1e999", 4))]), "<xmax>: expected a number"),
        (voc_xml([("dog", (1, 2, 3, 4))]).replace("<xmin>", "<xmin>9</xmin><xmin>"), "<xmin> is there twice"),
        ("<annotation>" + "<a>" * 60 + "</a>" * 60 + "</annotation>", "over 50 deep"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(folder, text, complaint):
    (folder / "Annotations" / "2.xml").write_text(text)
    found = open_annotated(folder, "test", (Class("dog", "dog"), Class("cat", "cat")))
    with pytest.raises(InputError) as error:
        found.objects(1)
    assert str(error.value).startswith(f"{folder}/Annotations/2.xml")
    assert complaint in str(error.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("1\n2\n1\n", "line 3: 1 stands in line 1 already"),
        ("../../secret\n", "line 1: expected the name of a picture"),
        ("/etc/passwd\n", "line 1: expected the name of a picture"),
        ("1 2 3\n", "line 1: expected the name of a picture"),
        ("\n", "names no picture"),
        (b"1\n\xff\n", "line 2: not UTF-8"),
    ],
)
def test_a_list_that_cannot_be_read_is_named(folder, text, complaint):
    (folder / "ImageSets/Main/test.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=complaint):
        open_annotated(folder, "test")


def test_where_no_file_can_be_read_it_is_said_why(folder):
    for name in "123":
        (folder / "Annotations" / f"{name}.xml").write_text("<annotation><object><name>dog</object></annotation>")
    with pytest.raises(InputError, match=r"1\.xml: not whole XML"):
        open_annotated(folder)


def test_a_split_that_is_not_there_names_those_that_are(folder):
    with pytest.raises(InputError, match=r"no list is called val\.txt; there are test"):
        open_annotated(folder, "val")


@pytest.mark.parametrize(
    ("name", "split", "images", "counts"),
    [
        ("bccd", "train", 205, {"RBC": 2382, "WBC": 214, "Platelets": 209}),
        ("bccd", "test", 72, {"RBC": 805, "WBC": 71, "Platelets": 69}),
        ("bccd", None, 364, {"RBC": 4155, "WBC": 372, "Platelets": 361}),
        ("kangaroo", "train", 131, {"kangaroo": 206}),
        ("kangaroo", "test", 33, {"kangaroo": 60}),
        ("voc2007-100", "train", 60, {"person": 39, "chair": 30, "cow": 21, "aeroplane": 5}),
        ("voc2007-100", "val", 40, {"person": 23, "chair": 5, "cow": 2, "aeroplane": 4}),
    ],
)
def test_real_data_have_the_objects_that_their_documents_count(shared, name, split, images, counts):
    found = open_annotated(shared / "data" / name, split)
    assert len(found) == images
    degenerate = Counter()
    objects = Counter()
    for index in range(images):
        annotation = found.annotation(index)
        objects.update(found.classes[label].id for label in annotation.objects.labels)
        degenerate.update(line.partition("(")[2].partition(")")[0] for line in annotation.degenerate)
    total = objects + degenerate
    assert {one: total[one] for one in counts} == counts
    assert sum(degenerate.values()) == {("bccd", None): 2}.get((name, split), degenerate.total())


def test_voc2007_has_the_difficult_objects_that_its_document_counts(shared):
    found = open_annotated(shared / "data" / "voc2007-100")
    objects = [found.objects(index) for index in range(len(found))]
    assert sum(map(len, objects)) == 280
    assert sum(int(one.difficult.sum()) for one in objects) == 64
    assert len(found.classes) == 20
    assert all(np.all(one.boxes[:, :2] >= 0) for one in objects)


def test_of_two_pictures_of_one_name_the_second_belongs_to_nothing(folder):
    (folder / "JPEGImages" / "2.png").write_bytes(b"another")
    (folder / "JPEGImages" / "4.jpg").write_bytes(b"without annotation")
    found = open_files(folder)
    assert found.name(1) == str(folder / "JPEGImages" / "2.jpg")
    assert found.strays().pictures == tuple(str(folder / "JPEGImages" / name) for name in ("2.png", "4.jpg"))
