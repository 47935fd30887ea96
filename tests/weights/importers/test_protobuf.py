"""The wire format of protocol buffers: its documentation's examples, messages there and back, hostile bytes."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from writers import field, packed, unpacked, varint

from googlenet.errors import InputError
from googlenet.weights.importers.protobuf import MOST_FIELDS, Message


def whole(data: bytes) -> Message:
    return Message.whole(memoryview(data), "file.pb")


def test_examples_of_the_encoding_guide() -> None:
    # protobuf.dev, "Encoding": 150; "testing"; a message with 150; packed 3, 270, 86942.
    assert list(whole(bytes.fromhex("089601"))) == [(1, 150)]
    ((number, text),) = whole(bytes.fromhex("120774657374696e67"))
    assert (number, text.text()) == (2, "testing")
    ((number, inner),) = whole(bytes.fromhex("1a03089601"))
    assert (number, list(inner)) == (3, [(1, 150)])
    ((number, numbers),) = whole(bytes.fromhex("3206038e029ea705"))
    assert (number, numbers.integers()) == (6, [3, 270, 86942])


numbers = st.integers(1, 2**29 - 1)
values = st.one_of(st.integers(0, 2**64 - 1), st.binary(max_size=40))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(numbers, values), max_size=20))
def test_fields_come_back_in_order(fields: list[tuple[int, int | bytes]]) -> None:
    read = [
        (number, value if isinstance(value, int) else bytes(value.data[value.start : value.end]))
        for number, value in whole(b"".join(field(*one) for one in fields))
    ]
    assert read == fields


@settings(max_examples=100, deadline=None)
@given(
    numbers,
    st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=40),
    st.sampled_from(["<f4", "<f8"]),
)
def test_floats_packed_and_unpacked_are_equal(number: int, floats: list[float], kind: str) -> None:
    array = np.array(floats, kind)
    data = packed(number, array, kind) + unpacked(number, array, kind) + field(7, 1)
    (_, first), (_, second), last = whole(data)
    assert first.floats(kind).tolist() == second.tolist() == floats
    assert last == (7, 1)


def test_floats_are_not_copied() -> None:
    data = np.frombuffer(packed(1, np.arange(1000)) + unpacked(2, np.arange(1000)), np.uint8)
    (_, first), (_, second) = Message.whole(memoryview(data), "file.pb")
    assert np.shares_memory(first.floats(), data)
    assert np.shares_memory(second, data)


def test_runs_end_where_the_field_changes() -> None:
    data = unpacked(1, np.arange(3)) + unpacked(2, np.arange(1)) + unpacked(1, np.arange(70)) + field(1, 5)
    assert [(number, len(value)) for number, value in list(whole(data))[:3]] == [(1, 3), (2, 1), (1, 70)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80" * 11, "damaged at byte 0: an integer does not end"),
        (b"\x08\x01\x08\x80", "damaged at byte 3: the file ends within a field"),
        (b"\x0a" + varint(2**60), "damaged at byte 0: field 1 claims 1,152,921,504,606,846,976 bytes where 0 remain"),
        (b"\x0a\x05abcd", "field 1 claims 5 bytes where 4 remain"),
        (b"\x0d\0\0\0", "field 1 claims 4 bytes where 3 remain"),
        (b"\x09\0\0\0\0", "field 1 claims 8 bytes where 4 remain"),
        (b"\x00\x00", "0 is no number of a field"),
        (varint(2**32) + b"\0", "536870912 is no number of a field"),
        (b"\x0b\x0c", "field 1 has wire type 3"),
        (b"\x0f", "field 1 has wire type 7"),
    ],
)
def test_damage_is_named(data: bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        list(whole(data))
    assert str(caught.value).startswith("file.pb: ")
    assert message in str(caught.value)


def test_lengths_are_checked_against_the_message_around_them() -> None:
    data = field(1, b"\x0a\x05abcd") + b"much more behind it"
    with pytest.raises(InputError, match="claims 5 bytes where 4 remain"):
        list(next(iter(whole(data)))[1])


def test_ragged_floats_are_refused() -> None:
    ((_, value),) = whole(field(1, b"abcde"))
    with pytest.raises(InputError, match="5 bytes are no whole number of 4-byte floats"):
        value.floats()


@pytest.mark.parametrize("unit", [b"\x08\x01", b"\x0a\x00", b"\x0d\0\0\0\0\x15\0\0\0\0"])
def test_too_many_fields_end_soon(unit: bytes) -> None:
    start = time.process_time()
    with pytest.raises(InputError, match="more than 200,000 fields"):
        for _ in whole(unit * (MOST_FIELDS + 1)):
            pass
    ((_, inner),) = whole(field(1, b"\x01" * (MOST_FIELDS + 1)))
    with pytest.raises(InputError, match="more than 200,000 fields"):
        inner.integers()
    assert time.process_time() - start < 5


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_fields_or_refused(data: bytes) -> None:
    try:
        size = sum(1 for _ in whole(data))
    except InputError:
        return
    assert size <= len(data) // 2
