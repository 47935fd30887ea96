"""Which picture and class a name in predictions means."""

import pytest

from googlenet.detection.average_precision.names import places_of_classes, places_of_pictures
from googlenet.errors import InputError
from googlenet.weights.classes import Class

NAMES = ["/data/voc/JPEGImages/000005.jpg", "/data/voc/JPEGImages/2007_000027.jpg", "/data/coco/000000397133.jpg"]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("/data/voc/JPEGImages/000005.jpg", 0),
        ("elsewhere/000005.jpg", 0),
        ("000005.jpg", 0),
        ("000005", 0),
        ("000005.png", 0),
        ("5", 0),
        ("2007_000027", 1),
        ("397133", 2),
    ],
)
def test_a_picture_is_known_by_path_name_or_number(file, expected):
    assert places_of_pictures([file], NAMES, {}).tolist() == [expected]
    assert places_of_pictures(["unknown.jpg", file], NAMES, {}).tolist() == [-1, expected]


def test_the_numbers_of_the_data_set_come_first():
    assert places_of_pictures(["5", "6"], NAMES, {"5": 2, "6": 1}).tolist() == [2, 1]


def test_names_with_dots():
    assert places_of_pictures(["frame.1"], ["a/frame.1.jpg", "a/frame.2.jpg"], {}).tolist() == [0]


def test_what_could_be_several_is_refused_unless_its_path_tells():
    names = ["a/1.jpg", "b/1.jpg"]
    assert places_of_pictures(["b/1.jpg"], names, {}).tolist() == [1]
    with pytest.raises(InputError, match=r"'1.jpg' may be several pictures"):
        places_of_pictures(["1.jpg"], names, {})
    with pytest.raises(InputError, match=r"x/1.jpg, y/1.jpg: taken for the same picture, a/1.jpg"):
        places_of_pictures(["x/1.jpg", "y/1.jpg"], ["a/1.jpg"], {})


def test_a_data_set_in_which_nothing_is_known_is_refused():
    with pytest.raises(InputError, match=r"pictures of the predictions .x.jpg. are none of the 3 of the data"):
        places_of_pictures(["x.jpg"], NAMES, {})
    with pytest.raises(InputError, match=r"classes of the predictions .tiger. are none of the 1 of the data .cat."):
        places_of_classes(["tiger"], [Class("cat", "cat")])
    assert places_of_pictures([], NAMES, {}).tolist() == []


def test_a_class_is_known_by_its_id_or_by_a_name_that_only_one_has():
    classes = [Class("1", "person"), Class("n02012849", "crane"), Class("n03126707", "crane"), Class("2", "1")]
    assert places_of_classes(["1", "person", "n03126707", "crane", "0"], classes).tolist() == [0, 0, 2, -1, -1]
