"""Finding: what a user names and what must come of it, on folders made here."""

import io
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from googlenet.errors import InputError
from googlenet.images.finding import display_name, find_images, image_arguments, read_list


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ["b.jpg", "a.PNG", "with space.jpeg", "notes.txt", ".hidden.jpg", "no ending", "z[1].webp"]:
        (tmp_path / name).touch()
    for name in ["sub/deep/c.TIFF", "sub/d.gif", ".cache/e.jpg", "empty/readme.md", "trap.jpg/f.bmp"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


EVERYTHING = ["a.PNG", "b.jpg", "sub/d.gif", "sub/deep/c.TIFF", "trap.jpg/f.bmp", "with space.jpeg", "z[1].webp"]


def found(folder: Path, *arguments: str | Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in find_images([folder / argument for argument in arguments])]


def test_a_folder_gives_its_images_sorted(folder: Path) -> None:
    assert found(folder, "") == EVERYTHING
    assert found(folder, "sub") == ["sub/d.gif", "sub/deep/c.TIFF"]


def test_files_are_taken_whatever_their_ending_and_in_the_given_order(folder: Path) -> None:
    assert found(folder, "notes.txt", "b.jpg", "a.PNG", ".hidden.jpg", "no ending") == [
        *["notes.txt", "b.jpg", "a.PNG", ".hidden.jpg", "no ending"]
    ]
    assert found(folder, "sub", "b.jpg", "sub") == [
        "sub/d.gif",
        "sub/deep/c.TIFF",
        "b.jpg",
        "sub/d.gif",
        "sub/deep/c.TIFF",
    ]
    assert find_images([]) == []


def test_patterns_as_a_shell_expands_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(folder, "*.jp*g") == ["b.jpg", "trap.jpg/f.bmp", "with space.jpeg"]
    assert found(folder, "?.*") == ["a.PNG", "b.jpg"]
    assert found(folder, "[ab].*") == ["a.PNG", "b.jpg"]
    assert found(folder, "**/*.gif") == ["sub/d.gif"]
    assert found(folder, "**") == found(folder, "*") == EVERYTHING
    assert found(folder, ".cache/*") == [".cache/e.jpg"]
    assert found(folder, "z[1].webp") == ["z[1].webp"]  # it exists, so it is no pattern
    monkeypatch.chdir(folder / "sub")
    assert find_images(["*.gif", "deep/*"]) == [Path("d.gif"), Path("deep/c.TIFF")]
    assert find_images(["../*.jpg"]) == [Path("../b.jpg"), Path("../trap.jpg/f.bmp")]


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("missing.jpg", "no such file"),
        ("b.jpg/inside", "no such file"),
        ("empty", "no images here"),
        ("*.webm", "no images here"),
        ("*.txt", "no images here"),
        ("x**y", "pattern|no images here"),
        ("a" * 300 + ".jpg", "cannot be read"),
    ],
)
def test_what_gives_nothing_is_named(folder: Path, argument: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        find_images([folder / "b.jpg", folder / argument])
    assert str(folder / argument) in str(caught.value)


def test_odd_names_are_refused_in_one_line(tmp_path: Path) -> None:
    for argument in ("", "a\0b", str(tmp_path / "two\nlines.jpg")):
        with pytest.raises(InputError) as caught:
            find_images([argument])
        assert str(caught.value).isprintable()


def test_links_are_followed_once_and_loops_end(folder: Path) -> None:
    (folder / "sub/deep/up").symlink_to(folder, target_is_directory=True)
    (folder / "sub/again").symlink_to(folder / "sub", target_is_directory=True)
    (folder / "self").symlink_to(folder / "self")
    (folder / "broken.jpg").symlink_to(folder / "nowhere.jpg")
    names = [Path(name).name for name in found(folder, "")]
    assert sorted(names) == sorted(["broken.jpg", *(Path(name).name for name in EVERYTHING)])
    assert len(found(folder, "**/*.gif")) == 1


def test_a_linked_file_and_a_linked_folder_count(tmp_path: Path, folder: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "photo.jpg").symlink_to(folder / "b.jpg")
    (other / "album").symlink_to(folder / "sub", target_is_directory=True)
    assert found(other, "") == ["album/d.gif", "album/deep/c.TIFF", "photo.jpg"]


def test_very_deep_folders(tmp_path: Path) -> None:
    # deeper than Python's stack of calls would allow if each folder took one
    (tmp_path / "d").mkdir()
    (tmp_path / "d/x.jpg").touch()
    for _ in range(1200):
        (tmp_path / "e").mkdir()
        (tmp_path / "d").rename(tmp_path / "e/d")
        (tmp_path / "e").rename(tmp_path / "d")
    try:
        assert [path.name for path in find_images([tmp_path])] == ["x.jpg"]
    finally:
        for _ in range(1200):  # what removes temporary folders would fail at this depth
            (tmp_path / "d/d").rename(tmp_path / "e")
            (tmp_path / "d").rmdir()
            (tmp_path / "e").rename(tmp_path / "d")


def test_a_folder_that_may_not_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(InputError, match="Permission denied"):
        find_images([folder])


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="this file system holds names in Unicode only")
def test_names_that_are_not_utf8_survive(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    Path(os.fsdecode(raw)).touch()
    for argument in (tmp_path, tmp_path / "*.jpg", os.fsdecode(raw)):
        (path,) = find_images([argument])
        assert os.fsencode(path) == raw
    assert display_name(path).endswith(r"caf\udce9.jpg")
    assert read_list(io.BytesIO(raw + b"\n")) == [os.fsdecode(raw)]


def test_a_list_is_a_path_a_line() -> None:
    assert read_list(io.StringIO("a.jpg\n\n  \nwith space.jpg \r\nlast")) == ["a.jpg", "with space.jpg ", "last"]
    assert read_list(io.BytesIO(b"\xef\xbb\xbfa.jpg\r\nb.jpg\r\n")) == ["a.jpg", "b.jpg"]
    assert read_list(io.TextIOWrapper(io.BytesIO(b"\xff.jpg\n"), encoding="utf-8")) == ["\udcff.jpg"]
    assert read_list(io.StringIO("")) == []


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1)))
def test_any_names_come_back_from_a_list(names: list[str]) -> None:
    kept = [name for name in names if name.strip()]
    assert read_list(io.StringIO("\n".join(names))) == kept
    assert read_list(io.BytesIO("\r\n".join(["", *names, ""]).encode())) == kept


def test_standard_input_stands_where_the_dash_stood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("b.jpg\nc.jpg\n"))
    assert image_arguments(["a.jpg", "-", "d.jpg"]) == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    with pytest.raises(InputError, match="no image was named"):
        image_arguments(["-"])


@given(st.text())
def test_a_shown_name_is_one_printable_line(name: str) -> None:
    assert display_name(name).isprintable()
    assert display_name("plain name-1.jpg") == "plain name-1.jpg"
