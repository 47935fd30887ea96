from dataclasses import dataclass
from typing import Literal

import pytest

from googlenet.errors import InputError
from googlenet.records import decode, encode


@dataclass(frozen=True)
class Inner:
    size: int
    rate: float = 0.5


@dataclass(frozen=True)
class Outer:
    name: str
    mode: Literal["a", "b"] = "a"
    parts: tuple[Inner, ...] = ()
    pair: tuple[int, float] = (1, 2.0)
    maybe: Inner | None = None
    flag: bool = False


FULL = Outer("x", "b", (Inner(1), Inner(2, 0.25)), (3, 4.5), Inner(7), True)


def test_a_record_survives_json():
    assert decode(Outer, encode(FULL), "file") == FULL


def test_every_value_is_written_since_another_release_may_have_other_defaults():
    assert encode(Outer("x", parts=(Inner(1),))) == {
        "name": "x",
        "mode": "a",
        "parts": [{"size": 1, "rate": 0.5}],
        "pair": [1, 2.0],
        "maybe": None,
        "flag": False,
    }
    assert decode(Outer, {"name": "x", "parts": [{"size": 1}]}, "file") == Outer("x", parts=(Inner(1),))


def test_a_whole_number_serves_as_a_float_but_not_the_other_way_round():
    assert decode(Inner, {"size": 1, "rate": 2}, "file").rate == 2.0
    with pytest.raises(InputError, match=r"file: size: expected a whole number, found 1\.0"):
        decode(Inner, {"size": 1.0}, "file")


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({}, "file: field 'name' is missing"),
        ({"name": "x", "colour": 1}, "file 'x': unknown field 'colour'"),
        ({"name": "x", "mode": "c"}, "file 'x': mode: 'c' is none of 'a', 'b'"),
        ({"name": "x", "parts": {"size": 1}}, "file 'x': parts: expected a list"),
        ({"name": "x", "parts": [{"size": True}]}, r"file 'x': parts\[0\]: size: expected a whole number, found True"),
        ({"name": "x", "pair": [1]}, "file 'x': pair: expected 2 values, found 1"),
        ({"name": "x", "flag": 1}, "file 'x': flag: expected true or false"),
        ({"name": "x", "maybe": {"size": 1, "rate": float("nan")}}, "expected a number, found nan"),
        ({"name": "x", "maybe": {"size": 1, "rate": 10**400}}, "expected a number, found 1000"),
        ([], "file: expected an object"),
    ],
)
def test_what_is_wrong_is_named(value, complaint):
    with pytest.raises(InputError, match=complaint):
        decode(Outer, value, "file")
