"""Protocols: the paper's counts, and what a file may and may not say."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from googlenet.errors import InputError
from googlenet.evaluation.protocol import PROTOCOLS, Protocol, find_protocol, find_protocols


def test_the_names_are_the_counts():
    assert {name: protocol.views for name, protocol in PROTOCOLS.items()} == {
        "1": 1,
        "10": 10,
        "144": 144,  # section 7
        "howard-90": 90,  # Howard 2013
    }


def test_scales_are_in_proportion_to_the_input():
    paper = PROTOCOLS["144"]
    assert paper.sides((224, 224)) == (256, 288, 320, 352)
    assert paper.sides((32, 32)) == (37, 41, 46, 50)  # 36.57, 41.14, 45.71, 50.29
    assert paper.sides((7, 7)) == (8, 9, 10, 11)
    assert paper.sides((448, 448)) == (512, 576, 640, 704)
    assert paper.sides((112, 56)) == (128, 144, 160, 176)  # by the longer side
    assert Protocol("half", (228,)).sides((112, 112)) == (114,)
    assert Protocol("half", (225,)).sides((112, 112)) == (113,)  # 112.5


def test_lists_are_as_good_as_tuples():
    given = Protocol("two", [256, 288], ["middle"], ["whole"])
    assert given == Protocol("two", (256, 288), ("middle",), ("whole",))
    assert len({given, find_protocol(given)}) == 1


def test_a_protocol_is_found_by_name_number_or_as_it_is():
    assert find_protocol("144") is find_protocol(144) is PROTOCOLS["144"]
    own = Protocol("own", (300,))
    assert find_protocol(own) is own


@pytest.mark.parametrize("given", ["12", 12, "", "paper", "x" * 1000])
def test_an_unknown_name_is_told_with_those_there_are(given):
    with pytest.raises(InputError, match=r"are not known; there are 1, 10, 144, howard-90, or a \.json file") as error:
        find_protocol(given)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("protocol", [*PROTOCOLS.values(), Protocol("mine", (224, 300), ("end",), ("whole", "centre"))])
def test_json_and_back(protocol, tmp_path):
    path = tmp_path / "protocol.json"
    path.write_text(protocol.to_json())
    assert find_protocol(path) == find_protocol(str(path)) == protocol


def test_what_a_file_leaves_out_is_the_one_crop(tmp_path):
    path = tmp_path / "short.json"
    path.write_text('{"name": "short"}')
    assert find_protocol(path) == replace(PROTOCOLS["1"], name="short")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": [256]}, "unknown field 'scale' (known: name, scales, squares, positions, mirror)"),
        ({"scales": 256}, "scales: expected a list, found 256"),
        ({"scales": [256.5]}, "scales[0]: expected a whole number, found 256.5"),
        ({"scales": [True]}, "scales[0]: expected a whole number, found True"),
        ({"scales": [200]}, "scales: 200 holds no crop of 224; give short sides of 224 to 1792"),
        ({"scales": [0]}, "scales: 0 is out of range; give short sides of 224 to 1792"),
        (
            {"scales": [0], "squares": ["middle"], "positions": ["whole"]},
            "scales: 0 is out of range; give short sides of 1 to 1792",
        ),
        ({"scales": [-5]}, "scales: -5 is out of range; give short sides of 224 to 1792"),
        ({"scales": [10**9]}, "scales: 1000000000 is out of range"),
        ({"scales": [256, 256]}, "scales: 256 stands there twice"),
        ({"scales": list(range(300, 400))}, "scales: 100 are too many; give at most 32"),
        ({"squares": ["left"]}, "squares[0]: 'left' is none of 'start', 'middle', 'end'"),
        ({"positions": []}, "positions: give at least one"),
        ({"positions": ["whole"]}, "positions: 'whole' is a whole square; give squares"),
        ({"mirror": 1}, "mirror: expected true or false, found 1"),
        ({"name": "a/b"}, "name must be 1 to 40 letters, digits"),
        ({"name": ""}, "name must be 1 to 40 letters, digits"),
        ({"name": "144"}, "name: '144' has other views; give yours a name of its own"),
    ],
)
def test_each_field_is_checked_and_named(change, message, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"name": "mine", "scales": [256]} | change))
    with pytest.raises(InputError) as error:
        find_protocol(path)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)


def test_small_scales_are_for_whole_squares():
    assert Protocol("small", (64, 128), ("middle",), ("whole",)).sides((32, 32)) == (9, 18)
    assert Protocol("least", (1, 3), ("middle",), ("whole",)).sides((32, 32)) == (1, 1)


def test_files_that_are_no_protocol(tmp_path: Path):
    for content, message in [
        (b"{", "not JSON .*; mend it"),
        (b"[1]", "expected an object"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 60_000, "not JSON"),
        (b'{"name": "a", "name": "b"}', "'name' is there twice; keep one of them"),
        (b'{"name": "a", "scales": [NaN]}', "NaN is none of its numbers"),
        (b" " * 70_000, "not a protocol, which takes under 64 KiB"),
        (b'{"scales": [256]}', "field 'name' is missing"),
    ]:
        path = tmp_path / "x.json"
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            find_protocol(path)
    with pytest.raises(InputError, match="cannot be read"):
        find_protocol(tmp_path / "nowhere.json")


def test_each_protocol_once_and_no_two_with_one_name():
    own = Protocol("own", (300,))
    assert find_protocols([1, "144", "1", own, own]) == (PROTOCOLS["1"], PROTOCOLS["144"], own)
    with pytest.raises(InputError, match="two protocols are called 'own'; give one of them another name"):
        find_protocols([own, replace(own, mirror=True)])
