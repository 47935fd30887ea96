"""What is left of a data set keeps numbers, labels and names; what is gone is known and cannot be read."""

import numpy as np
import pytest

from googlenet.data.digits import Digits
from googlenet.data.folder import Folder
from googlenet.data.identity import identity, rest
from googlenet.data.list_file import ListFile
from googlenet.data.remaining import Remaining, TakenAway
from googlenet.data.shards import Shards


def check(whole, less, gone):
    """Compare all that can be read with what was read of the whole."""
    before, contents, names = whole
    found = rest(before.listing, identity(less))
    assert found is not None
    assert found.whole == before
    view = Remaining(less, found)
    assert [view.name(index) for index in range(len(view))] == names
    assert sorted(view.gone) == gone
    for index, content in enumerate(contents):
        if index in gone:
            with pytest.raises(TakenAway, match="taken away since the run began"):
                view.read(index)
        else:
            assert view.read(index) == content
    return view


def read(dataset):
    numbers = range(len(dataset))
    return identity(dataset), [dataset.read(i) for i in numbers], [dataset.name(i) for i in numbers]


@pytest.mark.parametrize("gone", [[0], [8], [3, 4], []])
def test_a_folder_without_some(gone, class_folders):
    folder = Folder(class_folders)
    labels, whole = folder.labels, read(folder)
    for index in gone:
        (class_folders / folder.name(index)).unlink()
    view = check(whole, Folder(class_folders), gone)
    assert np.array_equal(view.labels, labels)


def test_a_list_whose_files_or_lines_are_gone(class_folders):
    lines = [f"{name}/{number}.png {label}\n" for label, name in enumerate(["cat", "10"]) for number in range(3)]
    path = class_folders / "list.txt"
    path.write_text("".join(lines))
    whole = read(ListFile(path))
    (class_folders / "cat/1.png").unlink()
    check(whole, ListFile(path), [1])
    path.write_text("".join(lines[:-1]))
    view = check(whole, ListFile(path), [1, 5])
    assert view.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_shards_without_a_member(write_shard, tmp_path):
    members = [
        [(f"{key}.png", key.encode() * 3), (f"{key}.cls", str(label).encode())] for label, key in enumerate("xy")
    ]
    write_shard(tmp_path / "a-0.tar", [*members[0], ("z.png", b"1"), ("z.cls", b"0"), *members[1]])
    whole = read(Shards(str(tmp_path / "a-0.tar")))
    write_shard(tmp_path / "a-0.tar", [*members[0], *members[1]])
    check(whole, Shards(str(tmp_path / "a-0.tar")), [1])


@pytest.mark.parametrize(
    "change",
    [
        lambda top: (top / "cat/0.png").rename(top / "cat/9.png"),
        lambda top: (top / "cat/0.png").write_bytes(b"shorter"),
        lambda top: (top / "cat/3.png").write_bytes(b"one more"),
        lambda top: (top / "cat/0.png").rename(top / "Dog/0x.png"),
    ],
)
def test_other_changes_leave_no_rest(change, class_folders):
    before = identity(Folder(class_folders))
    (class_folders / "10/0.png").unlink()
    change(class_folders)
    assert rest(before.listing, identity(Folder(class_folders))) is None


def test_numbers_for_names_tell_nothing_of_what_is_gone():
    class Numbered:
        classes = Digits.classes

        def __init__(self, count):
            self.labels = np.zeros(count, np.int32)

        def __len__(self):
            return len(self.labels)

        def read(self, index):
            raise AssertionError("an image was read")

        def name(self, index):
            return f"image {index}"

    assert rest(identity(Numbered(10)).listing, identity(Numbered(9))) is None


def test_a_damaged_listing_is_no_whole(class_folders):
    found = identity(Folder(class_folders))
    (class_folders / "cat/2.png").unlink()
    now = identity(Folder(class_folders))
    for damaged in (b"", b"nonsense", found.listing[: len(found.listing) // 2]):
        left = rest(damaged, now)
        assert left is None or left.whole.sha256 != found.sha256
