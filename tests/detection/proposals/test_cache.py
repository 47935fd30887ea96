"""Boxes that are kept: found again as they were, made anew where damaged, one process at a picture at a time."""

import os
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from googlenet.detection.boxes import as_boxes
from googlenet.detection.proposals.cache import ProposalCache, digest_of
from googlenet.detection.proposals.sources import Found
from googlenet.errors import BrokenOff, InputError

BOXES = Found(as_boxes([[0, 0.1, 1 / 3, 4], [5, 6, 7, 8]]), np.array([1.0, 0.25]))
SOURCE = SimpleNamespace(name="a", key="a 1")
PICTURE = digest_of(np.zeros((2, 3, 3), np.uint8))


def never():
    raise AssertionError("it is kept already")


def test_what_is_kept_is_what_was_proposed(tmp_path):
    ProposalCache(tmp_path).find(SOURCE, PICTURE, lambda: BOXES)
    again = ProposalCache(tmp_path).find(SOURCE, PICTURE, never)
    assert again.boxes.tolist() == BOXES.boxes.tolist()
    assert again.scores.tolist() == [1, 0.25]
    assert isinstance(np.memmap(ProposalCache(tmp_path).path(SOURCE, PICTURE), "<f8", "r"), np.memmap)


def test_no_boxes_are_kept_too(tmp_path):
    cache = ProposalCache(tmp_path)
    cache.find(SOURCE, PICTURE, lambda: Found(as_boxes([]), np.empty(0)))
    assert len(cache.find(SOURCE, PICTURE, never).boxes) == 0


def test_another_picture_shape_setting_or_weights_are_something_else(tmp_path):
    cache = ProposalCache(tmp_path)
    made = []
    pictures = [np.zeros((2, 3, 3), np.uint8), np.zeros((3, 2, 3), np.uint8), np.ones((2, 3, 3), np.uint8)]
    for picture in map(digest_of, pictures):
        for key in ("a 1", "a 2"):
            cache.find(SimpleNamespace(name="a", key=key), picture, lambda: made.append(1) or BOXES)
    assert len(made) == 6


@pytest.mark.parametrize("damage", [b"", b"12345", np.full(5, np.nan).tobytes()])
def test_what_is_damaged_is_made_anew(tmp_path, damage):
    cache = ProposalCache(tmp_path)
    cache.find(SOURCE, PICTURE, lambda: BOXES)
    cache.path(SOURCE, PICTURE).write_bytes(damage)
    if damage:  # an empty file says that there is no box
        assert cache.find(SOURCE, PICTURE, lambda: BOXES).scores.tolist() == [1, 0.25]
    assert len(cache.find(SOURCE, PICTURE, never).boxes) == (2 if damage else 0)


def test_two_at_once_make_it_once(tmp_path):
    made, found = [], []
    both = threading.Barrier(2)

    def propose():
        made.append(1)
        return BOXES

    def work():
        cache = ProposalCache(tmp_path)
        both.wait(timeout=60)
        found.append(cache.find(SOURCE, PICTURE, propose))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(made), len(found)) == (1, 2)


def test_a_folder_that_cannot_be_written_is_told_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/cache: cannot be read \(Not a directory\)"):
        ProposalCache(tmp_path / "file" / "cache")
    (tmp_path / "file").unlink()
    ProposalCache(tmp_path)
    for lock in (tmp_path / "locks").iterdir():
        lock.unlink()
    (tmp_path / "locks").rmdir()
    (tmp_path / "locks").write_text("")
    with pytest.raises(InputError, match=r"locks/00: cannot be written") as caught:
        ProposalCache(tmp_path)
    assert not isinstance(caught.value, BrokenOff)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_told_at_once(tmp_path):
    ProposalCache(tmp_path)
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match=r"README: cannot be written \(Permission denied\)"):
        ProposalCache(tmp_path)


def test_a_full_disk_ends_the_work_and_leaves_what_was_whole(tmp_path, full_disk):
    cache = ProposalCache(tmp_path)
    cache.find(SOURCE, PICTURE, lambda: BOXES)
    other = digest_of(np.ones((2, 3, 3), np.uint8))
    many = Found(np.tile(BOXES.boxes, (9, 1)), np.arange(18.0))
    with full_disk(300), pytest.raises(BrokenOff, match=rf"{other}\.boxes: cannot be written \(File too large\)"):
        cache.find(SOURCE, other, lambda: many)
    assert [path.stem for path in tmp_path.rglob("*.boxes")] == [PICTURE]
    assert not list(tmp_path.rglob("*.tmp"))
    assert cache.find(SOURCE, other, lambda: many).scores.tolist() == many.scores.tolist()


def test_a_folder_of_other_things_is_left_as_it_is(tmp_path):
    (tmp_path / "README").write_text("mine")
    with pytest.raises(InputError, match="holds README, no proposals; give a new or empty folder"):
        ProposalCache(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README"]
    assert (tmp_path / "README").read_text() == "mine"
    (tmp_path / "README").rename(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"holds a\.png, no proposals"):
        ProposalCache(tmp_path)
    (tmp_path / "a.png").rename(tmp_path / ".hidden")
    ProposalCache(tmp_path)


def test_what_a_kill_left_unfinished_goes_with_the_next_write(tmp_path):
    cache = ProposalCache(tmp_path)
    path = cache.path(SOURCE, PICTURE)
    path.parent.mkdir(parents=True)
    (path.parent / ".googlenet-x.tmp").write_bytes(b"half")
    cache.find(SOURCE, PICTURE, lambda: BOXES)
    assert list(path.parent.iterdir()) == [path]
