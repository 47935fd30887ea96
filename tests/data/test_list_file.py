"""List files: Caffe's form and CSV, labels as numbers, ids and names, and rows that are wrong."""

import os
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from googlenet.data.dataset import Subset
from googlenet.data.list_file import ListFile
from googlenet.errors import InputError
from googlenet.weights.classes import Class, ilsvrc

CLASSES = (Class("n1", "cat"), Class("n2", "crane"), Class("n3", "crane"), Class("n4", "dog"))


def listed(tmp_path, text: str, classes=None, name: str = "list.txt") -> ListFile:
    file = tmp_path / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return ListFile(file, classes)


def rows(data: ListFile) -> list[tuple[str, str]]:
    ids = [data.classes[label].id for label in data.labels]
    return [(data.name(i).removeprefix(data.folder + "/"), id_) for i, id_ in enumerate(ids)]


def test_caffes_form_with_paths_beside_the_list(class_folders):
    data = listed(class_folders, "cat/0.png 1\nDog/1.png 0\n\n10/2.png 1\n")
    assert rows(data) == [("cat/0.png", "1"), ("Dog/1.png", "0"), ("10/2.png", "1")]
    assert data.read(1) == (class_folders / "Dog" / "1.png").read_bytes()
    assert data.labels.dtype == np.int32
    assert rows(pickle.loads(pickle.dumps(data))) == rows(data)


def test_sizes_are_those_of_now(class_folders):
    data = listed(class_folders, "cat/0.png 1\nnowhere.png 0\n")
    assert data.sizes().tolist() == [(class_folders / "cat" / "0.png").stat().st_size, -1]


def test_numbers_are_indices_into_the_given_classes(tmp_path):
    assert rows(listed(tmp_path, "a.jpg 3\nb.jpg 0", CLASSES)) == [("a.jpg", "n4"), ("b.jpg", "n1")]
    with pytest.raises(InputError, match=r"list.txt, line 2: label 4 is out of range: of 4 classes, labels are 0 to 3"):
        listed(tmp_path, "a.jpg 3\nb.jpg 4", CLASSES)
    with pytest.raises(InputError, match="line 1: label -1 is out of range"):
        listed(tmp_path, "a.jpg -1", CLASSES)


def test_ids_and_names(tmp_path):
    assert rows(listed(tmp_path, "a.jpg n4\nb.jpg cat", CLASSES)) == [("a.jpg", "n4"), ("b.jpg", "n1")]
    with pytest.raises(
        InputError,
        match=r"line 1: class crane is not among the 4 classes \(n1, n2, n3, n4\); 2 classes have that name",
    ):
        listed(tmp_path, "a.jpg crane", CLASSES)
    with pytest.raises(InputError, match="line 3: class 7 is not among the 4 classes"):
        listed(tmp_path, "a.jpg n1\nb.jpg n2\nc.jpg 7", CLASSES)
    assert [c.id for c in listed(tmp_path, "a dog\nb cat\nc dog").classes] == ["cat", "dog"]


def test_spaces_tabs_line_ends_and_a_byte_order_mark(tmp_path):
    data = listed(tmp_path, "\ufeffwith space.jpg 0\r\nfolder name/x  y.jpg\t1\r\n")
    assert rows(data) == [("with space.jpg", "0"), ("folder name/x  y.jpg", "1")]
    data = listed(tmp_path, "a\tb.jpg 0\n\u3000c\u202f.jpg 1\nd\x0b\x1c.jpg\t1")
    assert [os.fsdecode(path) for path in data._paths] == ["a\tb.jpg", "\u3000c\u202f.jpg", "d\x0b\x1c.jpg"]


def test_a_name_with_a_line_break_in_csv(tmp_path):
    data = listed(tmp_path, 'path,label\r\n"a\nb.jpg",cat\r\nc.jpg,dog\r\n', name="list.csv")
    assert [os.fsdecode(path) for path in data._paths] == ["a\nb.jpg", "c.jpg"]


def test_csv_with_a_header(tmp_path):
    text = 'id,Label,Path\n7,dog,"a, b.jpg"\n8,cat,c.jpg\n'
    assert rows(listed(tmp_path, text, name="list.csv")) == [("a, b.jpg", "dog"), ("c.jpg", "cat")]
    with pytest.raises(
        InputError, match=r"list.csv, line 1: no column is called path, file, filename or image; there are a, b"
    ):
        listed(tmp_path, "a,b\n1,2\n", name="list.csv")
    for header in ("id,image,breed", "index,image,species"):  # what numbers the rows is no label
        with pytest.raises(
            InputError, match=f"no column is called label or class; there are {header.replace(',', ', ')}"
        ):
            listed(tmp_path, f"{header}\n0,a.jpg,cat\n1,b.jpg,dog\n", name="list.csv")
    with pytest.raises(InputError, match=r"list.csv, line 3: 1 columns, where the header has 2"):
        listed(tmp_path, "path,label\na.jpg,1\nb.jpg\n", name="list.csv")
    with pytest.raises(InputError, match=r"list.csv, line 3: expected a path and a label, found 'b.jpg'"):
        listed(tmp_path, "path,label\na.jpg,1\nb.jpg,\n", name="list.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no image"),
        ("\n\n", "names no image"),
        ("a.jpg 0\nb.jpg\n", "line 2: expected a path and a label, found 'b.jpg'"),
        (b"\x89PNG\0\0", "not a list of images but a binary file"),
        ("\ufeffa.jpg 0\n".encode("utf-16-le"), "a list in UTF-16; save it as UTF-8"),
        (b"PK\3\4\0\0", "a ZIP archive; unpack it"),
        (b"\x1f\x8b\x08\0", "a tar or gzip file under another name; let it end in .tar or .tar.gz"),
        ("a.jpg 0\nb.jpg 30000\n", "line 2: label 30000 implies more classes than there are images"),
        ("a.jpg " + "9" * 5000, None),
    ],
)
def test_what_is_no_list_is_refused(tmp_path, text, message):
    if message is None:
        assert len(listed(tmp_path, text).classes) == 1  # too long for a number: an id
        return
    with pytest.raises(InputError, match=f"list.txt.*{message}"):
        listed(tmp_path, text)


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=200), ending=st.sampled_from([".txt", ".csv"]))
def test_any_bytes_give_a_list_or_one_line(tmp_path_factory, content, ending):
    file = tmp_path_factory.mktemp("list") / f"x{ending}"
    file.write_bytes(content)
    refusal = None
    try:
        data = ListFile(file)
    except InputError as error:
        refusal = str(error)
    if refusal is None:
        assert len(data) == len(data.labels) > 0
        assert data.labels.max() < len(data.classes)
    else:
        assert refusal.isprintable()
        assert "x." in refusal


def test_the_validation_labels_of_ilsvrc(shared):
    data = ListFile(shared / "data" / "imagenet-val-100" / "labels.txt", ilsvrc())
    assert len(data) == 100
    assert data.read(0)[:3] == b"\xff\xd8\xff"
    assert data.classes[data.labels[0]].id == "n01751748"  # ILSVRC2012_val_00000001 is a sea snake


def test_a_column_that_stands_twice_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"list.csv, line 1: 2 columns are called label"):
        listed(tmp_path, "path,label,label\na.png,1,2\n", name="list.csv")


def test_a_device_in_a_list_has_one_cause_and_one_mend(tmp_path):
    data = listed(tmp_path, "/dev/zero 0\n")
    with pytest.raises(InputError, match=r"^/dev/zero: not a regular file; replace it or leave it out$"):
        data.read(0)


@pytest.mark.parametrize(
    ("name", "text"), [("l.txt", "a.jpg n1|dog\nb c.jpg n2\n"), ("l.csv", "label,path\n0|3,a.jpg\n1,b c.jpg\n")]
)
def test_several_right_answers(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    data = ListFile(tmp_path / name, CLASSES, several_truths=True)
    assert list(data.truths) == [(0, 3), (1,)]
    assert data.labels.tolist() == [0, 1]
    assert data.labels.dtype == np.int32
    part = pickle.loads(pickle.dumps(Subset(data, [1, 0])))
    assert list(part.truths) == [(1,), (0, 3)]
    assert list(Subset(part, [1]).truths) == [(0, 3)]
    with pytest.raises(InputError, match=rf"{name}, line \d: label .*\|.* gives several right answers"):
        ListFile(tmp_path / name, CLASSES)
