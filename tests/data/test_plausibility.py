"""Data sets whose classes are hardly those that were meant."""

import pytest

from googlenet.data.folder import Folder
from googlenet.data.list_file import ListFile
from googlenet.data.plausibility import doubts, empty_classes, refuse_unlearnable
from googlenet.errors import InputError


def test_a_folder_one_level_too_high_is_refused_with_the_right_one(class_folders):
    with pytest.raises(
        InputError, match="top: all images are of one class, photos; give 'top/photos', whose folders are 10, Dog, cat"
    ):
        refuse_unlearnable(_one_class(class_folders), "top")


def _one_class(class_folders):
    top = class_folders.parent / "top"
    top.mkdir()
    class_folders.rename(top / "photos")
    return Folder(top)


def test_a_list_of_one_class_is_refused(tmp_path):
    (tmp_path / "list.txt").write_text("a.jpg cat\nb.jpg cat\n")
    with pytest.raises(InputError, match="list: all images are of one class, cat; add another class"):
        refuse_unlearnable(ListFile(tmp_path / "list.txt"), "list")


def test_the_parts_of_a_split_data_set_are_doubted_as_classes(class_folders):
    assert doubts(Folder(class_folders), "photos") == []
    (class_folders / "10").rename(class_folders / "train")
    assert doubts(Folder(class_folders), "photos") == []  # a vehicle
    (class_folders / "Dog").rename(class_folders / "Validation")
    (line,) = doubts(Folder(class_folders), "photos")
    assert line == (
        "the folders Validation, train are taken as classes, though they look like parts of a data set; "
        "give 'photos/train' and --validation 'photos/Validation'"
    )


def test_numbers_that_begin_at_1_get_a_hint(tmp_path):
    (tmp_path / "list.txt").write_text("a.jpg 1\nb.jpg 2\n")
    data = ListFile(tmp_path / "list.txt")
    assert empty_classes(data) == ["0"]
    with pytest.raises(InputError, match=r"list: no images of class 0; .* numbers count from 0"):
        refuse_unlearnable(data, "list")
