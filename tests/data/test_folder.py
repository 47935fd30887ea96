"""A folder of class folders: order, matching, what is left out."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from googlenet.data.folder import Folder
from googlenet.data.index import Index, Names
from googlenet.errors import InputError
from googlenet.images.decoding import decode
from googlenet.weights.classes import Class


def content(folder: Folder) -> list[tuple[str, str]]:
    """(class id, path below the top) of each image."""
    ids = [folder.classes[label].id for label in folder.labels]
    return [(id_, os.path.relpath(folder.name(i), folder.path)) for i, id_ in enumerate(ids)]


def test_classes_are_folders_sorted_plainly(class_folders):
    folder = Folder(class_folders)
    assert [c.id for c in folder.classes] == ["10", "Dog", "cat"]  # neither by number nor without regard to capitals
    assert folder.labels.tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 2]
    assert folder.labels.dtype == np.int32
    assert content(folder)[3:5] == [("10", "10/3.png"), ("Dog", "Dog/0.png")]
    assert folder.read(4) == (class_folders / "Dog" / "0.png").read_bytes()


def test_hidden_and_other_files_are_left_out_and_depth_does_not_matter(class_folders):
    for name in ("cat/.hidden.png", "cat/notes.txt", "cat/.git/x.png", "readme.md", ".cache/y.png"):
        file = class_folders / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"")
    (class_folders / "cat" / "2020" / "may").mkdir(parents=True)
    (class_folders / "cat" / "2020" / "may" / "A.JPEG").write_bytes(b"")
    folder = Folder(class_folders)
    assert [c.id for c in folder.classes] == ["10", "Dog", "cat"]
    assert content(folder)[-2:] == [("cat", "cat/2.png"), ("cat", "cat/2020/may/A.JPEG")]
    assert len(folder) == 10


def test_labels_follow_the_given_classes_by_id(class_folders):
    classes = (Class("bird", "bird"), Class("cat", "Felis"), Class("10", "ten"), Class("Dog", "dog"))
    folder = Folder(class_folders, classes)
    assert folder.classes == classes
    assert folder.labels.tolist() == [2, 2, 2, 2, 3, 3, 1, 1, 1]
    with pytest.raises(InputError, match=r"photos: class Dog, cat is not among the 1 classes expected \(10\)"):
        Folder(class_folders, (Class("10", "10"),))


def test_an_empty_class_folder_is_a_class(class_folders):
    (class_folders / "eel").mkdir()
    folder = Folder(class_folders)
    assert [c.id for c in folder.classes] == ["10", "Dog", "cat", "eel"]
    assert folder.labels.max() == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda top: None, "cannot be read"),
        (lambda top: top.mkdir(), "holds no class folders"),
        (lambda top: (top / "cat").mkdir(parents=True), "no images in its class folders"),
        (lambda top: (top.mkdir(), (top / "a.png").write_bytes(b"")), "not in class folders"),
        (lambda top: ((top / "c").mkdir(parents=True), *((top / n).touch() for n in ("a.png", "c/b.png"))), "beside"),
    ],
)
def test_what_is_no_data_set_is_refused(tmp_path, make, message):
    top = tmp_path / "top"
    make(top)
    with pytest.raises(InputError, match=f"top: .*{message}") as failure:
        Folder(top)
    assert "\n" not in str(failure.value)


def test_links(class_folders, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "far.png").write_bytes(b"")
    (class_folders / "zebra").symlink_to(elsewhere)
    (class_folders / "cat" / "loop").symlink_to(class_folders)
    folder = Folder(class_folders)
    assert content(folder)[-1] == ("zebra", "zebra/far.png")
    assert len(folder) == 10


def test_a_link_in_a_circle_is_one_image_that_cannot_be_read(class_folders):
    (class_folders / "cat" / "loop.png").symlink_to("loop.png")
    (class_folders / "cat" / "loop").symlink_to("loop")  # neither image nor folder
    folder = Folder(class_folders)
    names = [Path(folder.name(index)).name for index in range(len(folder))]
    assert "loop" not in names
    with pytest.raises(InputError, match=r"cat/loop\.png: cannot be read"):
        folder.read(names.index("loop.png"))


def test_a_worker_maps_the_same_file(class_folders):
    folder = Folder(class_folders)
    sent = pickle.dumps(folder)
    again = pickle.loads(sent)
    assert content(again) == content(folder)
    assert b"0.png" not in sent
    (class_folders / "cat" / "new.png").write_bytes(b"")
    Folder(class_folders)  # another process refreshes the index meanwhile
    with pytest.raises(InputError, match="changed while processes were started"):
        pickle.loads(sent)


def test_without_a_cache_folder(class_folders, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("GOOGLENET_CACHE", str(tmp_path / "file"))
    folder = Folder(class_folders)
    assert content(pickle.loads(pickle.dumps(folder))) == content(folder)


def test_names_that_are_not_utf8(class_folders):
    name = b"\xff\xfe.png"
    Path(os.fsdecode(os.fsencode(class_folders) + b"/cat/" + name)).write_bytes(b"strange")
    folder = Folder(class_folders)
    assert folder.read(9) == b"strange"
    assert os.fsencode(folder.name(9)) == os.fsencode(class_folders) + b"/cat/" + name
    with pytest.raises(InputError, match=r"cat/\\udcff\\udcfe.png: not a JPEG") as failure:
        decode(folder.read(9), folder.name(9))
    assert str(failure.value).isprintable()


def test_a_missing_or_odd_file_is_named_when_it_is_read(class_folders):
    folder = Folder(class_folders)
    (class_folders / "10" / "0.png").unlink()
    with pytest.raises(InputError, match=r"photos/10/0.png: cannot be read \(No such file"):
        folder.read(0)
    os.mkfifo(class_folders / "10" / "0.png")
    with pytest.raises(InputError, match=r"photos/10/0.png: not a regular file"):
        folder.read(0)


def test_names_and_index_round_trip(tmp_path):
    names = Names.of([b"a", b"", b"ccc"])
    assert [names[i] for i in range(3)] == [b"a", b"", b"ccc"]
    assert [names[1:][i] for i in range(2)] == [b"", b"ccc"]
    joined = Names.joined([names[2:], names[:1]])
    assert [joined[i] for i in range(2)] == [b"ccc", b"a"]
    arrays = {"a": np.arange(5), "b": np.array([7], np.uint8), "c": np.array([], np.int32)}
    index = Index({"identity": "me"}, arrays).save(tmp_path / "index")
    assert index.path == tmp_path / "index"
    again = pickle.loads(pickle.dumps(index))
    assert {name: array.tolist() for name, array in again.arrays.items()} == {"a": [0, 1, 2, 3, 4], "b": [7], "c": []}


def test_sizes_are_those_of_now(class_folders):
    folder = Folder(class_folders)
    assert folder.sizes().tolist() == [len(folder.read(index)) for index in range(len(folder))]
    (class_folders / "cat" / "0.png").write_bytes(b"another picture")
    (class_folders / "cat" / "2.png").unlink()
    assert folder.sizes().tolist()[-3:] == [15, len(folder.read(7)), -1]


def test_composed_and_decomposed_names_are_one_class(class_folders):
    (class_folders / "cat").rename(class_folders / "Zu\u0308rich")  # as a Mac writes it
    (class_folders / "Dog").rename(class_folders / "Z\u00fcrich")
    folder = Folder(class_folders)
    assert [c.id for c in folder.classes] == ["10", "Z\u00fcrich"]
    assert folder.labels.tolist() == [0] * 4 + [1] * 5
    known = (Class("Zu\u0308rich", "Zurich"), Class("10", "10"))
    assert Folder(class_folders, known).labels.tolist() == [1] * 4 + [0] * 5


def test_a_class_folder_that_is_not_utf8_is_named(class_folders):
    (class_folders / "cat").rename(os.fsdecode(os.fsencode(class_folders) + b"/Z\xfcrich"))
    with pytest.raises(InputError, match=r"photos: the name of class folder Z\\udcfcrich is not UTF-8 .*; rename it"):
        Folder(class_folders)


def test_class_names_are_the_real_ones(class_folders):
    for before, name in (("cat", "mi\u200cravad"), ("Dog", "\u9752\u3000\u308a\u3093\u3054"), ("10", "a\nb")):
        (class_folders / before).rename(class_folders / name)
    assert {c.name for c in Folder(class_folders).classes} == {
        "mi\u200cravad",
        "\u9752\u3000\u308a\u3093\u3054",
        "a\nb",
    }
