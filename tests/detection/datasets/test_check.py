"""What `check_annotated` finds in data sets that are wrong in known ways."""

import json
import shutil

import pytest
from worlds import coco, picture, voc, voc_xml, yolo

from googlenet.__main__ import main
from googlenet.detection.datasets.check import KINDS, check_annotated
from googlenet.detection.datasets.opening import open_files
from googlenet.weights.classes import Class

GOOD = {str(n): [("dog", (1, 1, 20, 20)), ("cat", (30, 20, 50, 40))] for n in range(4)}

EXIF = "Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0{}\0\0\0\0\0\0"


def faults(path):
    return check_annotated(open_files(path)).training.faults


def test_nothing_is_wrong_with_a_good_one(tmp_path):
    told = []
    found = check_annotated(open_files(voc(tmp_path, GOOD)), progress=told.append)
    assert found.problems == ()
    assert sum(told) == 4
    part = found.training
    assert (part.images, part.objects, part.objects_of_class) == (4, 8, {"cat": 4, "dog": 4})
    assert (part.width.median, part.height.median, part.images_without_objects) == (50, 40, 0)


@pytest.fixture
def spoilt(tmp_path):
    """One of everything that can be wrong."""
    folder = voc(tmp_path / "spoilt", GOOD | {"9": []}, train=["0", "1", "2", "3", "9", "lost"])
    xml, images = folder / "Annotations", folder / "JPEGImages"
    (images / "0.jpg").write_bytes((images / "0.jpg").read_bytes()[:300])
    (xml / "lost.xml").write_text(voc_xml([("dog", (1, 1, 20, 20))]))
    (xml / "1.xml").write_text("<annotation>")
    (xml / "2.xml").write_text(voc_xml([("dog", (5, 5, 5, 5)), ("Dog ", (1, 1, 51, 40)), ("dogs", (60, 1, 70, 9))]))
    (xml / "3.xml").write_text(voc_xml([("dog", (1, 1, 20, 20))], size=(40, 50)))
    picture(images / "stray.jpg", seed=77)
    shutil.copy(images / "3.jpg", images / "9.jpg")
    return folder


def test_everything_that_is_wrong_is_listed(spoilt):
    found = check_annotated(open_files(spoilt / "ImageSets/Main/train.txt", classes=DOGS))
    lines = found.training.faults
    assert list(lines) == [kind for kind in KINDS if kind in lines]
    assert set(lines) == set(KINDS) - {"rotated_images", "entries_without_image"} - {"unknown_classes"} | {
        *("unknown_classes", "entries_without_image")
    }
    for kind, beginning, end in [
        ("bad_images", "JPEGImages/0.jpg: not a whole JPEG", ""),
        ("missing_images", "JPEGImages/lost.jpg: cannot be read (No such file", ""),
        ("bad_annotations", "Annotations/1.xml: not whole XML", ""),
        ("unknown_classes", "Annotations/0.xml, object 2 (cat): its class is not among the 4", ""),
        ("degenerate_boxes", "Annotations/2.xml, object 1 (dog): a box without area", ""),
        ("boxes_outside", "JPEGImages/2.jpg: 2 of 2 boxes lie outside of its 50 x 40 pixels, 1 of them wholly", ""),
        ("sizes_that_differ", "JPEGImages/3.jpg: 50 x 40 pixels, where the annotation says 40 x 50", ""),
        ("images_without_entry", "JPEGImages/stray.jpg: no annotation is for it", ""),
        ("entries_without_image", "Annotations/lost.xml: no picture is there for it", ""),
    ]:
        (line,) = lines[kind]
        assert line.startswith(f"{spoilt}/{beginning}")
        assert line.endswith(end)
    assert lines["near_equal_names"] == (
        *("classes dog and Dog: nearly equal names; if they mean one class, give it one",),
        *("classes dog and dogs: nearly equal names; if they mean one class, give it one",),
        *("classes Dog and dogs: nearly equal names; if they mean one class, give it one",),
    )
    assert lines["empty_classes"] == ("class eel has no objects",)
    (twice,) = found.duplicates
    assert [name[-5:] for name in twice.names] == ["3.jpg", "9.jpg"]
    assert json.loads(json.dumps(found.to_json()))["problems"] == list(found.problems)


DOGS = tuple(Class(name, name) for name in ("dog", "Dog", "dogs", "eel"))


@pytest.mark.parametrize(
    ("orientation", "size", "box", "told"),
    [
        (1, (50, 40), (1, 1, 50, 40), ""),
        (6, (40, 50), (1, 1, 40, 50), ""),  # drawn as it is seen
        (6, (50, 40), (1, 1, 20, 20), "its boxes are those of the picture as stored"),
        (8, None, (1, 1, 50, 20), "its boxes are those of the picture as stored"),
        (6, None, (1, 1, 20, 20), "cannot be told"),
        (3, (50, 40), (1, 1, 20, 20), "cannot be told"),
    ],
)
def test_exif_against_boxes(tmp_path, orientation, size, box, told):
    folder = voc(tmp_path, GOOD)
    picture(folder / "JPEGImages" / "2.jpg", exif=EXIF.format(chr(orientation)).encode("latin-1"))
    (folder / "Annotations" / "2.xml").write_text(voc_xml([("dog", box), ("cat", (1, 1, 9, 9))], size=size))
    found = faults(folder)
    if told:
        (line,) = found.pop("rotated_images")
        assert line.startswith(f"{folder}/JPEGImages/2.jpg: EXIF orientation {orientation} turns it")
        assert told in line
    assert found == {}


def test_coco_and_yolo_have_strays_of_their_own(tmp_path):
    rows = [{"image_id": 5, "category_id": number, "bbox": [1, 1, 9, 9]} for number in (17, 18)]
    path = coco(tmp_path / "coco" / "a.json", annotations=[*rows, {**rows[0], "image_id": 99}])
    picture(tmp_path / "coco" / "c.jpg", seed=9)
    assert faults(path) == {
        "images_without_entry": (f"{tmp_path}/coco/c.jpg: no annotation is for it",),
        "entries_without_image": (f"{path}, annotation 2: no image has its image_id",),
    }
    labels = [("a.txt", "0 0.5 0.5 1 1\n"), ("x.txt", "")]
    assert faults(yolo(tmp_path / "yolo", "train: images/train\nnames: [dog]\n", labels)) == {
        "images_without_entry": (f"{tmp_path}/yolo/images/train/b.jpg: no annotation is for it",),
        "entries_without_image": (f"{tmp_path}/yolo/labels/train/x.txt: no picture is there for it",),
    }


def test_pictures_that_are_in_both_parts(tmp_path):
    one, two = voc(tmp_path / "one", GOOD), voc(tmp_path / "two", {"5": GOOD["1"], "6": GOOD["1"]})
    picture(two / "JPEGImages" / "6.jpg", seed=66)
    shutil.copy(one / "JPEGImages" / "1.jpg", two / "JPEGImages" / "5.jpg")
    found = check_annotated(open_files(one), open_files(two))
    assert found.problems == (
        f"the same image in training and validation: {one}/JPEGImages/1.jpg, {two}/JPEGImages/5.jpg",
    )


def test_the_command(spoilt, tmp_path, capsys):
    good = voc(tmp_path / "good", GOOD)
    assert main(["data", "check", str(good), "--validation", str(good)]) == 1
    assert "the same image in training and validation" in capsys.readouterr().out
    assert main(["data", "check", str(good)]) == 0
    out = capsys.readouterr().out
    assert "nothing is wrong" in out
    assert [row.split() for row in out.splitlines() if row.startswith("dog")] == [["dog", "4"]]
    assert main(["data", "check", str(spoilt), "--json"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert printed["training"]["images"] == 6
    assert len(printed["problems"]) == len(set(printed["problems"])) > 5
    assert main(["data", "check", str(tmp_path / "no.json")]) == 2
    assert capsys.readouterr().err == f"googlenet: {tmp_path}/no.json: no such file or folder; check the path\n"


@pytest.mark.parametrize("name", ["bccd", "kangaroo", "voc2007-100"])
def test_real_data_have_the_faults_that_their_documents_tell(shared, name):
    found = check_annotated(open_files(shared / "data" / name))
    lines = found.training.faults
    expected = {
        "bccd": {"degenerate_boxes": ["BloodImage_00338.xml", "BloodImage_00343.xml"]},
        "kangaroo": {"bad_images": ["00090.jpg"]},
        "voc2007-100": {},
    }[name]
    told = {
        kind: [line.rpartition("/")[2].partition(":")[0].partition(",")[0] for line in lines[kind]] for kind in lines
    }
    assert told == expected
    twice = [sorted(one.rpartition("/")[2] for one in group.names) for group in found.duplicates]
    assert twice == {"kangaroo": [["00007.jpg", "00033.jpg"]]}.get(name, twice)
