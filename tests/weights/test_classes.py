"""Class tables: ILSVRC's in both public orders, Google's 1008 outputs, and a user's own list."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from googlenet.errors import InputError
from googlenet.weights.classes import Class, find_class, google, ilsvrc, numbered_classes, read_classes


def write(folder: Path, content: bytes) -> Path:
    path = folder / "classes.txt"
    path.write_bytes(content)
    return path


def test_known_classes_stand_where_published_networks_put_them() -> None:
    caffe, devkit = ilsvrc(), ilsvrc("devkit")
    assert caffe[0] == Class("n01440764", "tench, Tinca tinca")
    assert (caffe[948].name, caffe[967].name, caffe[999].id) == ("Granny Smith", "espresso", "n15075141")
    # As printed by google/inception's notebook.
    assert devkit[0] == Class("n02119789", "kit fox, Vulpes macrotis")
    assert [google()[index].name.split(",")[0] for index in (41, 17, 2, 588, 134)] == [
        "dalmatian",
        "Great Dane",
        "English setter",
        "muzzle",
        "German short-haired pointer",
    ]


def test_orders_hold_the_same_classes() -> None:
    assert [one.id for one in ilsvrc()] == sorted(one.id for one in ilsvrc("devkit"))
    assert set(ilsvrc()) == set(ilsvrc("devkit"))
    assert len({one.id for one in ilsvrc()}) == 1000
    assert sum(one.name == "crane" for one in ilsvrc()) == 2


def test_google_has_dummies_around_the_thousand() -> None:
    assert len(google()) == 1008
    assert google()[1:1001] == ilsvrc("devkit")
    assert [one.id for one in google() if one.id.startswith("dummy-")] == [
        "dummy-0",
        *(f"dummy-{index}" for index in range(1001, 1008)),
    ]


def test_unknown_order_is_refused() -> None:
    with pytest.raises(InputError, match="caffe and devkit, not alphabetical"):
        ilsvrc("alphabetical")  # type: ignore[arg-type]


def test_table_equals_the_public_files(shared: Path) -> None:
    lines = (shared / "weights/synset_words.txt").read_text().splitlines()
    assert [f"{one.id} {one.name}" for one in ilsvrc()] == lines
    lines = (shared / "weights/google_inception_synsets.txt").read_text().splitlines()
    assert [f"{one.id} {one.name}" for one in google()[1:1001]] == lines[1:1001]
    assert read_classes(shared / "weights/synset_words.txt") == ilsvrc()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"daisy\ntulip\n", ["daisy", "tulip"]),
        (b"\xef\xbb\xbfdaisy\r\nred rose\r\n\r\n", ["daisy", "red rose"]),
        ("Gänseblümchen\n雛菊".encode(), ["Gänseblümchen", "雛菊"]),
        ("青\u3000りんご\nmi\u200cravad\ncaf\u00a0é\n".encode(), ["青\u3000りんご", "mi\u200cravad", "caf\u00a0é"]),
    ],
)
def test_names_are_their_own_ids(tmp_path: Path, content: bytes, expected: list[str]) -> None:
    assert read_classes(write(tmp_path, content)) == tuple(Class(name, name) for name in expected)


def test_synsets_are_split(tmp_path: Path) -> None:
    path = write(tmp_path, b"n02012849 crane\nn03126707\tcrane\nn123 short\n")
    assert read_classes(path) == (
        Class("n02012849", "crane"),
        Class("n03126707", "crane"),
        Class("n123 short", "n123 short"),
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"a\n\nb\n", "line 2: empty"),
        (b"a\nb\na\n", "line 3: class a stands in line 1 already"),
        (b"n02012849 crane\nn02012849 bird\n", "line 2: class n02012849 stands in line 1"),
        (b"a\n" + b"x" * 1001, "line 2: over 1000 characters"),
        (b"a\nb\n\xff\xfe", "line 3: not UTF-8"),
        (b"a\nb\x1b[31m\n", "line 2: holds control characters"),
        (b"a\0b\n", "line 1: holds control characters"),
        ("Zürich\nZu\u0308rich\n".encode(), "line 2: class Zu\u0308rich stands in line 1 already"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_classes(write(tmp_path, content))
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.txt"):
        with pytest.raises(InputError, match=r"cannot be read|not a file"):
            read_classes(path)
    huge = tmp_path / "huge.txt"
    with huge.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match="no list of classes"):
        read_classes(huge)


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = write(tmp_path_factory.getbasetemp(), content)
    try:
        classes = read_classes(path)
    except InputError:
        return
    assert classes
    assert len({one.id for one in classes}) == len(classes)


def test_no_torch() -> None:
    code = "import sys, googlenet.weights.classes as c; c.google(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        ("n02099601", 207),
        ("207", 207),
        ("golden retriever", 207),
        (" Golden Retriever ", 207),
        ("malemute", 249),
        ("malamute, malemute, Alaskan malamute", 249),
        ("n02012849", 134),
    ],
)
def test_a_class_is_meant_by_id_place_or_any_of_its_names(wanted: str, place: int) -> None:
    assert find_class(ilsvrc(), wanted) == place


def test_an_id_comes_before_a_place_and_names_may_be_composed_or_not() -> None:
    assert find_class(numbered_classes(3), "2") == 2
    assert find_class((Class("1", "one"), Class("0", "zero")), "0") == 1
    assert find_class((Class("caf\u00e9", "caf\u00e9"),), "cafe\u0301") == 0


def test_what_means_no_class_or_several_is_one_line_that_helps() -> None:
    with pytest.raises(InputError, match=r"'Crane' is the name of 2: .* n02012849 \(crane\), n03126707 \(crane\)"):
        find_class(ilsvrc(), "Crane")
    with pytest.raises(InputError, match=r"'retriver' is none of the 1000; near it are "):
        find_class(ilsvrc(), "retriver")
    with pytest.raises(InputError, match=r"near it are .*tabby"):
        find_class(ilsvrc(), "tabb")
    for wanted in ("1000", "-1", "9" * 5000, "", "??"):
        with pytest.raises(InputError, match="none of the 1000; give an id, a name, or a place counted from 0"):
            find_class(ilsvrc(), wanted)
