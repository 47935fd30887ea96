"""COCO's JSON, and ImageNet's boxes as JSON."""

import json
import pickle

import numpy as np
import pytest
from worlds import coco, picture

from googlenet.detection.datasets.opening import open_annotated
from googlenet.errors import InputError
from googlenet.weights.classes import Class


def test_boxes_of_corner_and_size_and_what_else_is_said(tmp_path):
    found = open_annotated(coco(tmp_path / "a.json"))
    assert [(one.id, one.name) for one in found.classes] == [("17", "cat"), ("18", "dog")]
    assert [found.name(index) for index in range(2)] == [str(tmp_path / name) for name in ("a.jpg", "b.jpg")]
    assert len(found.objects(0)) == 0
    objects = found.objects(1)
    assert objects.boxes.tolist() == [[1, 2, 11.5, 22], [0, 0, 50, 40]]
    assert objects.labels.tolist() == [1, 0]
    assert objects.crowd.tolist() == [False, True]
    assert objects.areas.tolist() == [99.5, 700]
    again = pickle.loads(pickle.dumps(found))  # our own
    assert again.objects(1).boxes.tolist() == objects.boxes.tolist()


def test_without_an_area_it_is_that_of_the_box(tmp_path):
    rows = [{"image_id": 5, "category_id": 17, "bbox": [0, 0, 3, 4]}]
    assert open_annotated(coco(tmp_path / "a.json", annotations=rows)).objects(0).areas.tolist() == [12]


def test_given_classes_are_matched_by_number_or_by_name(tmp_path):
    path = coco(tmp_path / "a.json")
    assert open_annotated(path, classes=(Class("dog", "dog"), Class("cat", "cat"))).objects(1).labels.tolist() == [0, 1]
    assert open_annotated(path, classes=(Class("18", "hund"), Class("17", "x"))).objects(1).labels.tolist() == [0, 1]
    with pytest.raises(InputError, match=r"b\.jpg, object 2 \(cat\): its class is not among the 1 \(dog\)"):
        open_annotated(path, classes=(Class("dog", "dog"),)).objects(1)


@pytest.mark.parametrize("place", ["annotations", "val2017", "images", "images/val2017", "."])
def test_pictures_are_found_where_coco_has_them(tmp_path, place):
    path = coco(tmp_path / "annotations" / "instances_val2017.json", pictures=False)
    for name in ("a.jpg", "b.jpg"):
        picture(tmp_path / place / name)
    found = open_annotated(path)
    assert found.read(1) == (tmp_path / place / "b.jpg").read_bytes()


def test_degenerate_boxes_are_left_out_and_told(tmp_path):
    rows = [{"image_id": 5, "category_id": 17, "bbox": [1, 1, *size]} for size in ([0, 5], [5, 0], [-3, 5], [1, 1])]
    found = open_annotated(coco(tmp_path / "a.json", annotations=rows))
    assert found.objects(0).boxes.tolist() == [[1, 1, 2, 2]]
    assert [line.partition("a.jpg, ")[2][:8] for line in found.annotation(0).degenerate] == [
        *("object 1", "object 2", "object 3")
    ]


IMAGE = {"id": 1, "file_name": "a.jpg"}
CATEGORY = {"id": 1, "name": "cat"}
BOX = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"images": None}, "no list of images"),
        ({"annotations": {}}, "no list of annotations"),
        ({"images": []}, "no images; give"),
        ({"categories": []}, "no categories; give"),
        ({"images": [1]}, "images, row 0: expected an object, found 1"),
        ({"images": [IMAGE, IMAGE]}, "image 1 is there twice, in rows 0 and 1"),
        ({"categories": [CATEGORY, CATEGORY]}, "category 1 is there twice"),
        ({"images": [IMAGE | {"id": "1"}]}, "images, row 0: id cannot be '1'"),
        ({"images": [IMAGE | {"id": True}]}, "id cannot be True"),
        ({"images": [IMAGE | {"file_name": ""}]}, "file_name cannot be ''"),
        ({"images": [{"id": 1}]}, "no file_name"),
        ({"annotations": [BOX | {"bbox": [0, 0, 1]}]}, "annotations, row 0: bbox cannot be"),
        ({"annotations": [BOX, BOX | {"bbox": [0, 0, 1, "2"]}]}, "annotations, row 1: bbox cannot be"),
        ({"annotations": [BOX | {"bbox": [0, 0, 1e12, 2]}]}, "bbox cannot be"),
        ({"annotations": [BOX | {"image_id": 10**30}]}, "image_id cannot be"),
    ],
)
def test_a_row_that_is_wrong_is_named(tmp_path, change, complaint):
    with pytest.raises(InputError) as error:
        open_annotated(coco(tmp_path / "a.json", **change))
    assert str(error.value).startswith(f"{tmp_path}/a.json")
    assert complaint in str(error.value)


def test_what_is_no_number_of_json_is_refused(tmp_path):
    path = coco(tmp_path / "a.json")
    path.write_text(path.read_text().replace("10.5", "NaN"))
    with pytest.raises(InputError, match=r"not JSON \(NaN is none of its numbers\)"):
        open_annotated(path)


def test_an_unknown_category_spoils_its_picture_alone(tmp_path):
    rows = [BOX | {"image_id": 5, "category_id": 99}, BOX | {"image_id": 3, "category_id": 17}]
    found = open_annotated(coco(tmp_path / "a.json", annotations=rows))
    assert len(found.objects(1)) == 1
    with pytest.raises(InputError, match=r"a\.jpg, object 1 \(99\): its class is not among"):
        found.objects(0)


def test_a_split_of_one_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="one split by itself; leave 'val' out"):
        open_annotated(coco(tmp_path / "a.json"), "val")


def test_imagenets_boxes_name_their_first_and_last_pixel_from_0(tmp_path):
    boxes = {"a.jpg": [{"wnid": "n02113023", "box": [3, 10, 78, 59]}], "b.jpg": [{"id": "cat", "box": [0, 0, 0, 0]}]}
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    found = open_annotated(tmp_path / "boxes.json")
    assert [(one.id, one.name) for one in found.classes] == [
        ("cat", "cat"),
        ("n02113023", "Pembroke, Pembroke Welsh corgi"),
    ]
    assert found.objects(0).boxes.tolist() == [[3, 10, 79, 60]]
    assert found.objects(1).boxes.tolist() == [[0, 0, 1, 1]]
    assert found.name(1) == str(tmp_path / "b.jpg")


def test_imagenet_val_100_has_the_boxes_that_its_document_counts(shared):
    found = open_annotated(shared / "data" / "imagenet-val-100" / "boxes.json")
    objects = [found.objects(index) for index in range(len(found))]
    assert len(objects) == 100
    assert sum(map(len, objects)) == 155
    assert sum(len(one) > 1 for one in objects) == 24
    assert len(found.classes) == 93
    assert sum(int((one.boxes[:, 0] == 0).sum()) for one in objects) == 15
    assert all(np.all(one.areas > 0) for one in objects)
