"""Finding: what a user names and what must come of it, on folders made here."""

import io
import os
import re
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
    paths = find_images(str(folder / argument) for argument in arguments).paths
    return [str(path.relative_to(folder)) for path in paths]


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
    assert find_images([]).paths == []


def test_patterns_as_a_shell_expands_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(folder, "*.jp*g") == ["b.jpg", "trap.jpg/f.bmp", "with space.jpeg"]
    assert found(folder, "?.*") == ["a.PNG", "b.jpg"]
    assert found(folder, "[ab].*") == ["a.PNG", "b.jpg"]
    assert found(folder, "**/*.gif") == ["sub/d.gif"]
    assert found(folder, "**") == found(folder, "*") == EVERYTHING
    assert found(folder, ".cache/*") == [".cache/e.jpg"]
    assert found(folder, "z[1].webp") == ["z[1].webp"]  # it exists, so it is no pattern
    monkeypatch.chdir(folder / "sub")
    assert find_images(["*.gif", "deep/*"]).paths == [Path("d.gif"), Path("deep/c.TIFF")]
    assert find_images(["../*.jpg"]).paths == [Path("../b.jpg"), Path("../trap.jpg/f.bmp")]


NOTHING_THERE = [
    ("missing.jpg", "no such file"),
    ("b.jpg/inside", "no such file"),
    ("a" * 300 + ".jpg", "cannot be read"),
]
NO_IMAGES = [
    ("empty", "no images here"),
    ("*.webm", r"matches no image \(files ending in"),
    ("*.txt", "matches no image"),
    ("x**y", "pattern|matches no image"),
]


@pytest.mark.parametrize(("argument", "told"), NOTHING_THERE + NO_IMAGES)
def test_what_gives_nothing_is_named(folder: Path, argument: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        find_images([str(folder / argument)])
    assert str(folder / argument) in str(caught.value)
    with pytest.raises(InputError, match=r"\(and 1 more like it\)"):
        find_images([str(folder / argument), folder / "missing too.jpg"])


def test_what_gives_nothing_among_others_is_one_failure(folder: Path) -> None:
    for argument, told in NO_IMAGES:
        found = find_images([str(folder / "b.jpg"), str(folder / argument)])
        assert found.paths == [folder / "b.jpg"]
        ((name, error),) = found.failures
        assert name == str(folder / argument)
        assert re.search(told, str(error))
    for argument, _ in NOTHING_THERE:  # in its place, so that answers stand beside the list of who asked
        found = find_images([folder / argument, folder / "b.jpg"])
        assert (found.paths, found.failures) == ([folder / argument, folder / "b.jpg"], [])


def test_brackets_of_what_exists_belong_to_names(folder: Path) -> None:
    (folder / "set [1]*/in").mkdir(parents=True)
    (folder / "set [1]*/in/x.jpg").touch()
    (folder / "set 1").mkdir()
    (folder / "set 1/y.jpg").touch()
    assert found(folder, "set [1]*") == found(folder, "set [1]*/*/?.jpg") == ["set [1]*/in/x.jpg"]
    assert found(folder, "set [1]") == ["set 1/y.jpg"]
    with pytest.raises(InputError, match="no such file"):
        find_images([folder / "*.jpg"])  # a path, not a pattern


def test_thumbnails_and_notes_of_other_systems_are_passed_over(folder: Path) -> None:
    for name in ("@eaDir/b.jpg/SYNOPHOTO_THUMB_M.jpg", "sub/@eaDir/d.gif", "._b.jpg", "__MACOSX/._b.jpg", "._notes"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    assert found(folder, "") == found(folder, "*") == EVERYTHING
    everything = find_images([folder])
    assert sorted(everything.passed_over) == [str(folder / n) for n in ("._b.jpg", "@eaDir", "__MACOSX", "sub/@eaDir")]
    told = everything.describe_passed_over()
    assert told.startswith("passed over: 4 ")
    assert all(kind in told for kind in ("._*", "@eaDir", "__MACOSX"))
    assert find_images([folder / "sub/deep"]).describe_passed_over() == ""
    assert found(folder, "@eaDir") == ["@eaDir/b.jpg/SYNOPHOTO_THUMB_M.jpg"]  # who names it means it


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
        assert [path.name for path in find_images([tmp_path]).paths] == ["x.jpg"]
    finally:
        for _ in range(1200):  # what removes temporary folders would fail at this depth
            (tmp_path / "d/d").rename(tmp_path / "e")
            (tmp_path / "d").rmdir()
            (tmp_path / "e").rename(tmp_path / "d")


def test_a_folder_that_may_not_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def denied(path: str) -> object:
        if path == str(folder / "sub"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    everything = find_images([folder])
    assert [str(path.relative_to(folder)) for path in everything.paths] == [n for n in EVERYTHING if "sub" not in n]
    ((name, error),) = everything.failures
    assert name == str(folder / "sub")
    assert str(error).startswith(f"{name}: cannot be read (Permission denied)")
    with pytest.raises(InputError, match="Permission denied"):
        find_images([folder / "sub"])


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="this file system holds names in Unicode only")
def test_names_that_are_not_utf8_survive(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    Path(os.fsdecode(raw)).touch()
    for argument in (tmp_path, f"{tmp_path}/*.jpg", os.fsdecode(raw)):
        (path,) = find_images([argument]).paths
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


@given(st.lists(st.binary(min_size=1).filter(lambda name: 0 not in name)))
def test_any_bytes_at_all_come_back_from_a_list_with_zeros(names: list[bytes]) -> None:
    listed = read_list(io.BytesIO(b"".join(name + b"\0" for name in names)), null=True)
    assert [os.fsencode(name) for name in listed] == names
    assert [os.fsencode(name) for name in read_list(io.BytesIO(b"\0".join(names)), null=True)] == names


def test_standard_input_stands_where_the_dash_stood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("b.jpg\nc.jpg\n"))
    assert image_arguments(["a.jpg", "-", "d.jpg"]) == ["a.jpg", Path("b.jpg"), Path("c.jpg"), "d.jpg"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("a\nb\0c "))
    assert image_arguments(["-"], null=True) == [Path("a\nb"), Path("c ")]
    with pytest.raises(InputError, match="--null"):
        image_arguments(["a.jpg"], null=True)
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    with pytest.raises(InputError, match="no image was named"):
        image_arguments(["-"])


@given(st.text())
def test_a_shown_name_is_one_printable_line(name: str) -> None:
    assert display_name(name).isprintable()
    assert display_name("plain name-1.jpg") == "plain name-1.jpg"
