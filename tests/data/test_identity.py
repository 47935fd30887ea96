"""The same data are the same, other data are other, and what changed is named."""

import gzip
import os
import re
import shutil
import time

import numpy as np
import pytest

from googlenet.data.dataset import Subset
from googlenet.data.digits import Digits
from googlenet.data.folder import Folder
from googlenet.data.identity import Identity, difference, identity
from googlenet.data.list_file import ListFile
from googlenet.data.shards import Shards


def test_the_listing_says_what_there_is(class_folders):
    found = identity(Folder(class_folders))
    sizes = {path.name: path.stat().st_size for path in (class_folders / "Dog").iterdir()}
    lines = gzip.decompress(found.listing).decode().splitlines()
    assert found.images == len(lines) - 1 == 9
    assert lines[0] == '["10", "Dog", "cat"]'
    assert lines[5:7] == [f"{sizes['0.png']}\tDog\tDog/0.png", f"{sizes['1.png']}\tDog\tDog/1.png"]


def test_another_way_to_write_the_path_and_moved_data_are_the_same(class_folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = identity(Folder("photos"))
    assert identity(Folder("./photos/")) == identity(Folder(class_folders)) == before
    assert difference(before.listing, before) == ""
    shutil.copytree(class_folders, tmp_path / "moved" / "pictures")
    shutil.rmtree(class_folders)
    assert identity(Folder("moved/pictures")) == before


def test_a_moved_list_is_the_same(class_folders, tmp_path):
    (class_folders / "list.txt").write_text(f"cat/0.png 0\n./cat/../Dog/1.png 1\n{class_folders}/10/2.png 0\n")
    before = identity(ListFile(class_folders / "list.txt"))
    assert [line.split("\t")[2] for line in gzip.decompress(before.listing).decode().splitlines()[1:]] == [
        "cat/0.png",
        "Dog/1.png",
        "10/2.png",
    ]
    moved = class_folders.rename(tmp_path / "moved")
    (moved / "list.txt").write_text("cat/0.png 0\nDog/1.png 1\n10/2.png 0\n")
    assert identity(ListFile(moved / "list.txt")) == before


def test_moved_shards_are_the_same(write_shard, tmp_path):
    for place in ("here", "there"):
        write_shard(
            tmp_path / place / "a-0.tar", [("x.png", b"123"), ("x.cls", b"0"), ("y.png", b"4"), ("y.cls", b"1")]
        )
    one, other = (identity(Shards(str(tmp_path / place / "a-0.tar"))) for place in ("here", "there"))
    assert one == other
    assert gzip.decompress(one.listing).decode().splitlines()[1:] == ["3\t0\ta-0.tar: x.png", "1\t1\ta-0.tar: y.png"]


def _rename_a_file(top):
    (top / "cat/0.png").rename(top / "cat/9.png")  # the same labels, another order


def _rename_all(top):
    for number in (2, 1, 0):
        (top / f"cat/{number}.png").rename(top / f"cat/{number + 1}.png")


def _exchange(top):
    for name, other in (("cat/0.png", "x"), ("10/0.png", "cat/0.png"), ("x", "10/0.png")):
        (top / name).rename(top / other)
    assert (top / "cat/0.png").stat().st_size != (top / "10/0.png").stat().st_size


def _take_one_away(top):
    (top / "cat/2.png").unlink()


def _add_a_class(top):
    shutil.copytree(top / "cat", top / "zebra")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_rename_a_file, r"image 7 was cat/0.png \(class cat, \d+ bytes\), now cat/1.png \(class cat, \d+ bytes\)"),
        (_rename_all, r"image 7 was cat/0.png .*, now cat/1.png .*"),
        (_exchange, r"image 1 was 10/0.png \(class 10, (\d+) bytes\), now 10/0.png \(class 10, (?!\1)\d+ bytes\)"),
        (_take_one_away, r"1 of 9 images are gone, the first is image 8, cat/2.png"),
        (_add_a_class, r'the classes were \["10", "Dog", "cat"\], now \["10", "Dog", "cat", "zebra"\]'),
    ],
)
def test_other_data_are_other_and_the_first_change_is_named(change, message, class_folders):
    (class_folders / "10/0.png").write_bytes((class_folders / "10/0.png").read_bytes() + b"more")
    before = identity(Folder(class_folders))
    change(class_folders)
    now = identity(Folder(class_folders))
    assert now.sha256 != before.sha256
    assert re.fullmatch(message, difference(before.listing, now))


def test_a_bad_image_and_its_time_do_not_matter_but_its_size_does(class_folders):
    file = class_folders / "cat/0.png"
    before = identity(Folder(class_folders))
    file.write_bytes(bytes(file.stat().st_size))
    os.utime(file, (1, 1))
    assert identity(Folder(class_folders)) == before
    file.write_bytes(b"")
    assert identity(Folder(class_folders)).sha256 != before.sha256


def test_parts_and_data_sets_of_ones_own(class_folders):
    folder = Folder(class_folders)
    part = identity(Subset(folder, [8, 0]))
    lines = gzip.decompress(identity(folder).listing).decode().splitlines()
    assert gzip.decompress(part.listing).decode().splitlines() == [lines[0], lines[9], lines[1]]
    digits = identity(Digits("validation"))
    assert digits == identity(Digits("validation"))
    assert gzip.decompress(digits.listing).decode().splitlines()[1].startswith("-1\t")
    assert identity(Digits("train")).sha256 != digits.sha256


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"nonsense", lambda b: b[:-4]])
def test_a_damaged_listing_gives_words_and_no_traceback(damage, class_folders):
    found = identity(Folder(class_folders))
    assert isinstance(difference(damage(found.listing), found), str)


def test_a_million_images_take_seconds():
    class Million:
        classes = Digits.classes
        labels = np.zeros(10**5, np.int32)

        def __len__(self):
            return 10**5

        def read(self, index):
            raise AssertionError("an image was read")

        def name(self, index):
            return f"n{index % 1000:08}/n{index:08}.JPEG"

    start = time.process_time()
    found = identity(Million())
    assert time.process_time() - start < 2  # a tenth of a million
    assert found == Identity(10**5, found.sha256, found.listing)
    assert len(found.listing) < 10**6
