"""ILSVRC's folders, its blacklist, and the halves of its list `val`."""

import numpy as np
import pytest
from worlds import ilsvrc

from googlenet.detection.datasets.halves import balanced_halves, imbalances
from googlenet.detection.datasets.opening import open_annotated
from googlenet.errors import InputError

A, B = "n02672831", "n02691156"


@pytest.fixture
def folder(tmp_path):
    pictures = {
        "ILSVRC2012_val_00000001": [(A, (1, 1, 10, 10))],
        "ILSVRC2012_val_00000002": [(B, (5, 5, 5, 9)), (A, (2, 2, 3, 3))],
        "ILSVRC2012_val_00000003": [],
    }
    return ilsvrc(tmp_path, pictures, [(2, A), (2, "n00000009")], [(A, "accordion"), (B, "airplane, plane")])


def test_a_list_with_classes_of_the_kit_and_its_blacklist(folder):
    found = open_annotated(folder, "val")
    assert [(one.id, one.name) for one in found.classes] == [(A, "accordion"), (B, "airplane, plane")]
    assert found.name(0) == f"{folder}/Data/DET/val/ILSVRC2012_val_00000001.JPEG"
    assert found.objects(0).boxes.tolist() == [[0, 0, 10, 10]]
    assert found.objects(0).excluded == frozenset()
    objects = found.objects(1)
    assert objects.boxes.tolist() == [[4, 4, 5, 9], [1, 1, 3, 3]]  # one pixel wide: the contest counts it
    assert objects.excluded == {0}
    assert len(found.objects(2)) == 0
    assert len(open_annotated(folder / "ImageSets/DET/val.txt")) == 3


def test_without_the_kit_classes_are_those_that_occur(folder):
    (folder / "devkit/data/map_det.txt").unlink()
    found = open_annotated(folder, "val")
    assert [one.id for one in found.classes] == [A, B]
    assert found.classes[0].name == "accordion, piano accordion, squeeze box"  # of ILSVRC's 1000


def test_training_lists_lie_elsewhere_and_have_no_blacklist(folder):
    ilsvrc(folder, {"n1/x_1": [(A, (1, 1, 2, 2))], "n1/x_2": [(B, (1, 1, 2, 2))]}, part="train", train_1=["n1/x_2 1"])
    found = open_annotated(folder, "train_1")
    assert found.name(0).endswith("Data/DET/train/n1/x_2.JPEG")
    assert found.objects(0).labels.tolist() == [1]
    assert found.objects(0).excluded == frozenset()


def test_it_says_which_lists_there_are(folder):
    with pytest.raises(InputError, match="several lists; name one of val, val1, val2"):
        open_annotated(folder)


@pytest.mark.parametrize(
    ("table", "text", "complaint"),
    [
        ("ILSVRC2015_det_validation_blacklist.txt", "1 n1\nx n2\n", "line 2: expected a picture's number and a class"),
        ("ILSVRC2015_det_validation_blacklist.txt", "1\n", "line 1: expected a picture's number and a class"),
        ("map_det.txt", f"{A} 1 a\n{A} 2 b\n", "line 2: expected id, number and name"),
        ("map_det.txt", "\x00", "line 1: expected id, number and name"),
    ],
)
def test_a_table_that_is_wrong_is_named(folder, table, text, complaint):
    (folder / "devkit/data" / table).write_text(text)
    with pytest.raises(InputError, match=complaint):
        open_annotated(folder, "val")


def test_val1_and_val2_are_halves_without_the_blacklist(tmp_path):
    random = np.random.default_rng(1)
    pictures = {
        f"ILSVRC2012_val_{n:08}": [(one, (1, 1, 9, 9)) for one in random.choice([A, B, "n3"], random.integers(1, 4))]
        for n in range(1, 41)
    }
    folder = ilsvrc(tmp_path, pictures, [(7, A), (8, B)], [(A, "a"), (B, "b"), ("n3", "c")])
    one, two = (open_annotated(folder, split) for split in ("val1", "val2"))
    names = [{found.name(index)[-13:-5] for index in range(len(found))} for found in (one, two)]
    assert not names[0] & names[1]
    assert names[0] | names[1] == {f"{n:08}" for n in range(1, 41) if n not in (7, 8)}
    counts = [
        np.bincount(np.concatenate([found.objects(index).labels for index in range(len(found))]), minlength=3)
        for found in (one, two)
    ]
    assert np.abs(counts[0] - counts[1]).max() <= 1
    assert open_annotated(folder, "val1").name(3) == one.name(3)
    (folder / "ImageSets/DET/val1.txt").write_text("ILSVRC2012_val_00000007 7\n")  # R-CNN's own list, say
    assert len(open_annotated(folder, "val1")) == 1


def like_ilsvrc(images, classes, seed):
    """Counts as unequal as those of ILSVRC's 200 classes: few in most pictures, many in some."""
    random = np.random.default_rng(seed)
    popularity = 1 / np.arange(1, classes + 1) ** 0.8
    counts = np.zeros((images, classes), int)
    for row in counts:
        kinds = random.choice(classes, random.integers(1, 5), p=popularity / popularity.sum())
        row[kinds] = random.geometric(0.4, len(kinds))
    return counts


def test_halves_are_more_equal_than_those_of_r_cnn():
    counts = like_ilsvrc(600, 60, 0)
    one, two = balanced_halves(counts)
    assert sorted([*one, *two]) == list(range(600))
    assert abs(len(one) - len(two)) <= 12
    found = imbalances(counts[one].sum(0), counts[two].sum(0))
    random = np.random.default_rng(0).permutation(600)
    by_chance = imbalances(counts[random[:300]].sum(0), counts[random[300:]].sum(0))
    enough = counts.sum(0) >= 30  # as every class of ILSVRC's val has
    assert found[enough].max() <= 0.11  # published: at most 11 %, 4 % in the median
    assert np.median(found) <= 0.04
    assert by_chance[enough].max() > 2 * found[enough].max()


def test_halves_are_a_function_of_counts_and_seed():
    counts = like_ilsvrc(60, 10, 3)
    one = balanced_halves(counts)[0].tolist()
    assert balanced_halves(counts)[0].tolist() == one
    assert balanced_halves(counts, seed=5)[0].tolist() != one


def test_two_equal_pictures_are_parted():
    one, two = balanced_halves(np.array([[3, 1], [3, 1]]))
    assert (len(one), len(two)) == (1, 1)
    assert imbalances(np.array([3, 0]), np.array([1, 0])).tolist() == [0.5, 0]
