"""What a label means, and which reading of numbers is taken where there are two."""

import logging
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from googlenet.data.labels import labels_of, match
from googlenet.errors import InputError
from googlenet.weights.classes import Class


def classes(*ids: str) -> tuple[Class, ...]:
    return tuple(Class(id_, id_) for id_ in ids)


def read(labels: list[str], known: tuple[Class, ...] | None = None) -> list[str]:
    """The ids of the classes that labels mean."""
    found = labels_of(labels, lambda index: f"row {index}", known, "list")
    return [found.classes[index].id for index in found.truths.first]


def read_several(labels: list[str], known: tuple[Class, ...] | None = None) -> list[list[str]]:
    """The ids of the classes that labels with several right answers mean."""
    found = labels_of(labels, lambda index: f"row {index}", known, "list", several_truths=True)
    return [[found.classes[index].id for index in of_image] for of_image in found.truths]


FOLDERS = classes(*sorted(map(str, range(12))))  # 0, 1, 10, 11, 2 ...


def test_a_number_is_the_class_with_that_id_where_ids_are_numbers(caplog):
    numbers = [str(number) for number in range(12)]
    with caplog.at_level(logging.INFO):
        assert read(numbers, FOLDERS) == numbers
    assert "list: the labels are numbers, taken as the ids of classes and not as indices" in caplog.text
    assert read(["7", "07", "007"], classes("00010", "00007")) == ["00007"] * 3
    assert read(["3", "1"], classes("1", "2", "3")) == ["3", "1"]
    with pytest.raises(InputError, match=r"row 1: class 0 is not among the 3 classes \(1, 2, 3\)"):
        read(["1", "0", "2"], classes("1", "2", "3"))


def test_a_number_is_an_index_where_ids_are_no_numbers(caplog):
    with caplog.at_level(logging.INFO):
        assert read(["2", "0"], classes("cat", "dog", "eel")) == ["eel", "cat"]
    assert "list: the labels are numbers, taken as indices: 0 is class cat" in caplog.text
    with pytest.raises(InputError, match=r"row 0: label 3 is out of range: of 3 classes, labels are 0 to 2$"):
        read(["3", "0"], classes("cat", "dog", "eel"))


@pytest.mark.parametrize("known", [classes("cat", "dog", "eel"), classes("0", "1", "2")])
def test_labels_that_begin_at_1_get_a_hint(known):
    with pytest.raises(InputError, match=r"row 1: .* begin at 1 here: subtract 1"):
        read(["1", "3", "2"], known)


def test_an_id_among_numbers_is_never_taken_for_an_index():
    with pytest.raises(InputError, match="row 0: class 0 is not among the 3 classes"):
        read(["0", "2"], classes("cat", "dog", "2"))


def test_nothing_is_said_where_both_readings_agree(caplog):
    with caplog.at_level(logging.INFO):
        assert read(["1", "0"], classes("0", "1")) == ["1", "0"]
        assert read(["1", "0"]) == ["1", "0"]
        assert read(["b", "a"], classes("a", "b")) == ["b", "a"]
    assert not caplog.text


def test_composed_and_decomposed_names_are_the_same_class():
    composed, decomposed = (unicodedata.normalize(form, "Zürich") for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert read([composed, decomposed]) == [composed] * 2
    for one, other in ((composed, decomposed), (decomposed, composed)):
        assert read([one], classes("Bern", other)) == [other]
        assert match([one], classes("Bern", other), "photos").tolist() == [1]


def test_a_label_that_is_not_utf8_is_named():
    with pytest.raises(InputError, match=r"row 1: label Z\\udcfcrich is not UTF-8; save") as failure:
        read(["Bern", "Z\udcfcrich"])
    assert str(failure.value).isprintable()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=20), st.permutations(list(range(31))))
def test_numbers_agree_with_folders_of_those_names_in_any_order(numbers, order):
    labels = [str(number) for number in numbers]
    assert read(labels, classes(*map(str, order))) == labels


def test_a_huge_number_beside_small_ones_is_no_class_of_its_own():
    with pytest.raises(InputError, match="row 1: label 99999999999999999999 is too large"):
        read(["0", "99999999999999999999"])
    assert read(["4006381333931", "4006381333948"]) == ["4006381333931", "4006381333948"]
    assert read(["0", "99999999999999999999", "other"]) == ["0", "99999999999999999999", "other"]


def test_several_right_answers_mean_what_each_of_them_means():
    known = classes("cat", "dog", "eel")
    assert read_several(["dog", "eel|cat", "cat | eel|cat"], known) == [["dog"], ["eel", "cat"], ["cat", "eel"]]
    assert read_several(["2|0", "1"], known) == [["eel", "cat"], ["dog"]]
    assert read_several(["b|a", "c"]) == [["b", "a"], ["c"]]
    assert read_several(["a|b", "c"], classes("c", "a|b")) == [["a|b"], ["c"]]  # a class that is called so
    assert read_several(["a", "b"]) == [["a"], ["b"]]


def test_numbers_among_several_are_bare_where_no_class_list_explains_them():
    def found(labels, known=None):
        return labels_of(labels, str, known, "list", several_truths=True)

    assert found(["3|1", "0"]).bare_numbers
    assert [c.id for c in found(["3|1", "0"]).classes] == ["0", "1", "2", "3"]
    assert not found(["3|cat", "0"]).bare_numbers
    assert not found(["1|0"], classes("a", "b")).bare_numbers


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["dog", "cat|owl"], r"row 1: class owl is not among the 3 classes \(cat, dog, eel\)"),
        (["0", "0|1", "2|3"], r"row 2: label 3 is out of range: of 3 classes, labels are 0 to 2$"),
        (["dog", "cat|"], r"row 1: label cat\|: no class on one side of a '\|'; add it, or take the '\|' away"),
        (["|"], r"row 0: label \|: no class on one side"),
    ],
)
def test_what_is_wrong_among_several_is_named_with_its_row(labels, message):
    with pytest.raises(InputError, match=message):
        read_several(labels, classes("cat", "dog", "eel"))


@pytest.mark.parametrize("known", [None, classes("cat", "dog")])
def test_several_right_answers_are_refused_where_one_is_learnt(known):
    message = r"row 1: label cat\|dog gives several right answers, which an evaluation alone takes; keep one of them"
    with pytest.raises(InputError, match=message):
        read(["dog", "cat|dog"], known)
    assert read(["cat|dog", "cat"], classes("cat", "cat|dog")) == ["cat|dog", "cat"]
