"""The kept index of a folder: it follows every change, also those that leave no trace in modification times."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from googlenet.data import scan as scan_module
from googlenet.data.index import Names, index_file
from googlenet.data.scan import scan


def content(top: Path) -> list[str]:
    """The paths of all images below a folder."""
    found = scan(str(top)).arrays
    folders, files = Names(found["folders"], found["folder_offsets"]), Names(found["files"], found["file_offsets"])
    of_file = np.repeat(np.arange(len(folders)), np.diff(found["starts"]))
    return [str(Path(os.fsdecode(folders[of_file[i]])) / os.fsdecode(files[i])) for i in range(len(files))]


def expected(top: Path) -> list[str]:
    return sorted(str(path.relative_to(top)) for path in top.rglob("*.png"))


def freeze(top: Path) -> None:
    """Give all folders one modification time, as copying tools and some mounts do."""
    for path in [top, *(p for p in top.rglob("*") if p.is_dir())]:
        os.utime(path, (1e9, 1e9))


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scans take place long after the last change."""
    now = time.time_ns
    monkeypatch.setattr(scan_module.time, "time_ns", lambda: now() + 10**11)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the folders that were read, as it goes on."""
    names: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr(scan_module.os, "scandir", lambda path: (names.append(Path(path).name), scandir(path))[1])
    return names


@pytest.fixture
def lasting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The tests' disk counts as one whose ctimes can be believed."""
    monkeypatch.setattr(scan_module, "_lasting_devices", lambda: frozenset({tmp_path.stat().st_dev}))


@pytest.fixture(params=["at once", "later", "unknown file system"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "unknown file system":
        request.getfixturevalue("later")
        monkeypatch.setattr(scan_module, "_lasting_devices", frozenset)
    else:
        request.getfixturevalue("lasting")
        if request.param == "later":
            request.getfixturevalue("later")


CHANGES: list[Callable[[Path], object]] = [
    lambda top: (top / "cat" / "new.png").write_bytes(b""),
    lambda top: (top / "Dog" / "0.png").unlink(),
    lambda top: ((top / "ant" / "deep").mkdir(parents=True), (top / "ant" / "deep" / "x.png").write_bytes(b"")),
    lambda top: (top / "cat" / "new.png").rename(top / "cat" / "newer.png"),
    lambda top: (top / "10").rename(top / "11"),
    lambda top: (top / "cat" / "newer.png").rename(top / "Dog" / "newer.png"),
]


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.usefixtures("kind")
def test_every_change_is_seen(class_folders, frozen):
    """Also a change so soon after a scan that the folder's time might stay the same, and one that is dated back."""
    for change in [lambda top: None, *CHANGES]:
        change(class_folders)
        if frozen:
            freeze(class_folders)
        assert sorted(content(class_folders)) == expected(class_folders)


@pytest.mark.usefixtures("later", "lasting")
def test_a_second_start_reads_no_folder(class_folders, read):
    first = content(class_folders)
    assert len(read) == 4
    assert content(class_folders) == first
    assert len(read) == 4


@pytest.mark.usefixtures("later", "lasting")
def test_only_changed_folders_are_read_again(class_folders, read):
    content(class_folders)
    del read[:]
    (class_folders / "cat" / "new.png").write_bytes(b"")
    assert len(content(class_folders)) == 10
    assert read == ["cat"]


@pytest.mark.usefixtures("later")
def test_an_unknown_file_system_is_read_each_time_and_its_index_written_once(class_folders, read, monkeypatch):
    monkeypatch.setattr(scan_module, "_lasting_devices", frozenset)
    content(class_folders)
    written = index_file("folder", str(class_folders)).stat()
    del read[:]
    content(class_folders)
    assert sorted(read) == ["10", "Dog", "cat", "photos"]
    assert index_file("folder", str(class_folders)).stat().st_ino == written.st_ino


@pytest.mark.usefixtures("later", "lasting")
def test_where_a_link_leads_may_change_without_its_folder(class_folders, tmp_path):
    (class_folders / "zebra").symlink_to(tmp_path / "disk")  # not there yet, as an unmounted disk
    assert len(content(class_folders)) == 9
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "far.png").write_bytes(b"")
    assert content(class_folders)[-1] == "zebra/far.png"


@pytest.mark.usefixtures("later")
def test_this_systems_own_mounts(class_folders):
    """A disk that Linux calls ext4, say, is believed; what no list of mounts names is not."""
    types = {line.split(" - ")[1].split(" ")[0] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    assert bool(scan_module._lasting_devices()) == bool(types & scan_module._LASTING)
    proc = Path("/proc").stat().st_dev
    assert proc not in scan_module._lasting_devices()


def test_what_systems_leave_beside_the_images_is_left_out(class_folders):
    for name in ("@eaDir/0.png", "cat/@eaDir/0.jpg/SYNOPHOTO_THUMB.jpg", "__MACOSX/cat/1.png", "cat/.thumbnails/2.png"):
        (class_folders / name).parent.mkdir(parents=True)
        (class_folders / name).write_bytes(b"")
    (class_folders / "#recycle").mkdir()
    (class_folders / "cat" / "Thumbs.db").write_bytes(b"")
    assert len(content(class_folders)) == 9
    folders = scan(str(class_folders)).arrays
    assert list(Names(folders["folders"], folders["folder_offsets"])) == [b"", b"10", b"Dog", b"cat"]


@pytest.mark.usefixtures("later", "lasting")
def test_a_damaged_index_is_made_anew(class_folders):
    first = content(class_folders)
    file = index_file("folder", str(class_folders))
    whole = file.read_bytes()
    for damaged in (b"", whole[:-1], whole[:100], b"x" + whole[1:], whole[:30] + b"\xff" * 8 + whole[38:]):
        file.write_bytes(damaged)
        assert content(class_folders) == first
