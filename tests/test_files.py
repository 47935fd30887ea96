import errno
import os
import stat

import pytest

from googlenet.errors import InputError
from googlenet.files import atomic_write, recorded_name, sha256


def test_the_file_is_there_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "file"
    with atomic_write(path) as file:
        file.write(b"content")
        assert not path.exists()
    assert path.read_bytes() == b"content"
    assert stat.S_IMODE(path.stat().st_mode) & 0o600 == 0o600
    assert list(path.parent.iterdir()) == [path]


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
