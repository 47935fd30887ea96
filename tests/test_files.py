import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from googlenet.errors import InputError
from googlenet.files import (
    atomic_write,
    expect_regular,
    expect_writable,
    open_regular,
    recorded_name,
    remove_leftovers,
    sha256,
)
from googlenet.weights.checkpoint import read
from googlenet.weights.classes import read_classes
from googlenet.weights.importers.source import Source


def test_the_file_is_there_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "file"
    with atomic_write(path) as file:
        file.write(b"content")
        assert not path.exists()
    assert path.read_bytes() == b"content"
    assert stat.S_IMODE(path.stat().st_mode) & 0o600 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_what_cannot_be_written_is_told_before(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    expect_writable(tmp_path / "file")
    expect_writable(tmp_path / "new" / "file")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert list((tmp_path / "new").iterdir()) == []
    for path in (tmp_path, tmp_path / "file" / "below"):
        with pytest.raises(InputError, match=r"cannot be written .*; give another name"):
            expect_writable(path)


def test_an_error_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), atomic_write(path) as file:
        file.write(b"%d" % (1 // 0))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(InputError, match=r"file: cannot be written \(No space left on device\)"), atomic_write(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="named pipes are POSIX's")
def test_what_is_there_must_be_a_regular_file(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("absent")
    for name in ("file", "absent", "link"):
        expect_regular(tmp_path / name)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(InputError, match=f"{name}: not a file but a folder, pipe or device; remove it"):
            expect_regular(tmp_path / name)
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(InputError, match="circle: cannot be read"):
        expect_regular(tmp_path / "circle")


def test_a_folder_that_is_a_file_is_one_line(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be written"), atomic_write(tmp_path / "file" / "below"):
        pass


def test_sha256_of_a_known_text(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    ("source", "recorded"),
    [
        ("flowers/train", "flowers/train"),
        ("data/flowers/train/", "flowers/train"),
        ("/srv/secret-client/flowers/train", "flowers/train"),
        ("/home/alice/train", "train"),
        ("/home/alice", "."),
        ("/Users/alice/photos/train.csv", "photos/train.csv"),
        ("/me/train", "train"),
        ("/data", "data"),
        ("digits", "digits"),
        ("s3://bucket/a/b/t-{0000..0009}.tar", "s3://bucket/a/b/t-{0000..0009}.tar"),
        ("https://user:pass@host:8080/a@b.tar?X-Signature=abc&token=d#e", "https://host:8080/a@b.tar"),
        ("simplecache::https://user@host/a.tar.gz?sv=1", "simplecache::https://host/a.tar.gz"),
        ("memory://a.tar?\nb", "memory://a.tar"),
        (b"/srv/data/Z\xfcrich", "data/Z\\udcfcrich"),
    ],
)
def test_records_hold_neither_secrets_nor_private_paths(monkeypatch, source, recorded):
    monkeypatch.setenv("HOME", "/me")
    assert recorded_name(os.fsdecode(source)) == recorded


def test_a_home_folder_that_is_unknown_is_no_error(monkeypatch):
    monkeypatch.setenv("HOME", "")
    assert recorded_name("/srv/data/train") == "data/train"


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "real").mkdir()
    link, target = tmp_path / "link", tmp_path / "real" / "file"
    link.symlink_to("real/file")
    for content in (b"one", b"two"):  # the target is new at first
        with atomic_write(link) as file:
            file.write(content)
        assert link.is_symlink()
        assert target.read_bytes() == content
    assert sorted(tmp_path.rglob("*")) == [link, tmp_path / "real", target]


def test_a_circle_of_links_is_one_line(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(InputError, match="a: cannot be written"), atomic_write(tmp_path / "a"):
        pass


def test_what_is_there_keeps_its_rights(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"secret")
    path.chmod(0o640)
    with atomic_write(path) as file:
        file.write(b"new")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o640)


def test_a_pipe_is_written_to_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    with atomic_write(pipe) as file:
        file.write(b"content")
    reader.join(20)
    assert received == [b"content"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def test_devices_are_written_to_and_stay(tmp_path):
    """By links, lest a fault replaces the machine's own."""
    (tmp_path / "null").symlink_to(os.devnull)
    with atomic_write(tmp_path / "null") as file:
        file.write(b"content")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    (tmp_path / "full").symlink_to("/dev/full")
    with (
        pytest.raises(InputError, match=r"full: cannot be written \(No space"),
        atomic_write(tmp_path / "full") as file,
    ):
        file.write(b"content")
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


def test_a_pipe_without_a_path_is_written_to():
    """As `-o /dev/stdout | program` gives it."""
    reading, writing = os.pipe()
    with atomic_write(f"/dev/fd/{writing}") as file:
        file.write(b"content")
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b"content"


def test_a_folder_in_the_place_of_a_file_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"cannot be written \(it is a folder\)"), atomic_write(tmp_path) as file:
        file.write(b"content")
    assert not list(tmp_path.iterdir())


def test_the_longest_name_can_be_written(tmp_path):
    with atomic_write(tmp_path / (255 * "n")) as file:
        file.write(b"content")


def test_only_our_own_leftovers_are_removed(tmp_path):
    kill = "import os, sys; from googlenet.files import atomic_write\n"
    kill += "with atomic_write(sys.argv[1]) as file: file.write(b'half'); file.flush(); os._exit(1)"
    subprocess.run([sys.executable, "-c", kill, tmp_path / "file"], check=False)
    [ours] = tmp_path.iterdir()
    others = [tmp_path / name for name in (".thesis.tex.tmp", ".file.x1.tmp", "googlenet-1.tmp", ".googlenet-notes")]
    for path in others:
        path.write_text("mine")
    (tmp_path / ".googlenet-link.tmp").symlink_to(others[0])
    (tmp_path / ".googlenet-folder.tmp").mkdir()
    remove_leftovers(tmp_path)
    assert not ours.exists()
    assert all(path.read_text() == "mine" for path in others)
    assert len(list(tmp_path.iterdir())) == len(others) + 2


@pytest.mark.parametrize("name", ["pipe", "folder", "/dev/zero"])
def test_only_a_regular_file_is_opened_and_a_pipe_keeps_nobody_waiting(tmp_path, name):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for reader in (open_regular, read, Source.open, read_classes):
        with pytest.raises(InputError, match=f"{name}: not a file"):
            reader(tmp_path / name)


def test_a_regular_file_is_opened(tmp_path):
    (tmp_path / "x").write_bytes(b"content")
    with open_regular(tmp_path / "x") as file:
        assert file.read() == b"content"
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "y")


def test_a_hash_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a file but a folder, pipe or device"):
        sha256(tmp_path / "pipe")
