"""The wire format of protocol buffers, read in place: a small bounded reader for files that strangers wrote.

A message is a span of the file that yields its fields one after another, and nothing is copied or descended into
until asked for. Every length is checked against the end of the span before it is used; a file may hold so many fields
and no more, so that one made of a billion tiny fields ends soon. Written by hand on purpose: the generated readers
allocate what a file tells them to, and need the schema of a whole framework for four kinds of message.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from googlenet.errors import InputError

__all__ = ["Budget", "Floats", "Message", "Value"]

Floats = NDArray[np.float16] | NDArray[np.float32] | NDArray[np.float64]

VARINT, FIXED_64, LENGTH_DELIMITED, FIXED_32 = 0, 1, 2, 5

MOST_FIELDS = 200_000
"""Fields in a file, a run of equal 32-bit or 64-bit fields counting once; published networks have under 20,000."""

LARGEST_FIELD_NUMBER = 2**29 - 1


@dataclass
class Budget:
    """How many more fields the messages of one file may hold; `where` names the file in errors."""

    where: str
    fields: int = MOST_FIELDS

    def spend(self) -> None:
        """Count one field; raises `InputError` where there are too many."""
        self.fields -= 1
        if self.fields < 0:
            raise InputError(f"{self.where}: more than {MOST_FIELDS:,} fields, which no file of network weights has")


@dataclass(frozen=True)
class Message:
    """The bytes `start` to `end` of a file, to be read as a message, text, floats or integers as the schema says.

    Iterating yields (field number, value). A value is an integer (varint), a `Message` (length-delimited) or floats: a
    run of 32-bit or 64-bit fields of one number, which is how unpacked repeated floats are written, is one value.
    Errors are `InputError`s that name the file and the byte.
    """

    data: memoryview
    start: int
    end: int
    budget: Budget = field(repr=False)

    @classmethod
    def whole(cls, data: memoryview, where: str) -> "Message":
        """Return a file's outermost message."""
        return cls(data, 0, len(data), Budget(where))

    def __len__(self) -> int:
        return self.end - self.start

    def __iter__(self) -> Iterator[tuple[int, "Value"]]:
        position = self.start
        while position < self.end:
            self.budget.spend()
            tag_at = position
            tag, position = self._varint(position)
            number, wire = tag >> 3, tag & 7
            if not 1 <= number <= LARGEST_FIELD_NUMBER:
                raise self._damaged(tag_at, f"{number} is no number of a field")
            if wire == VARINT:
                value, position = self._varint(position)
                yield number, value
            elif wire == LENGTH_DELIMITED:
                length, position = self._varint(position)
                self._check_room(tag_at, number, length, position)
                yield number, Message(self.data, position, position + length, self.budget)
                position += length
            elif wire in (FIXED_32, FIXED_64):
                size = 4 if wire == FIXED_32 else 8
                self._check_room(tag_at, number, size, position)
                count = self._run_length(tag_at, position - tag_at, size)
                yield number, self._run(position, count, position - tag_at, size)
                position = tag_at + count * (position - tag_at + size)
            else:
                raise self._damaged(tag_at, f"field {number} has wire type {wire}, which weights do not use")

    def text(self) -> str:
        """Return the span as text."""
        return str(self.data[self.start : self.end], "utf-8", errors="replace")

    def floats(self, kind: str = "<f4") -> Floats:
        """Return the span as packed floats (`<f2`, `<f4` or `<f8`), in place."""
        size = np.dtype(kind).itemsize
        if len(self) % size:
            raise self._damaged(self.start, f"{len(self)} bytes are no whole number of {size}-byte floats")
        return np.frombuffer(self.data, dtype=kind, count=len(self) // size, offset=self.start)

    def integers(self) -> list[int]:
        """Return the span as packed varints."""
        result, position = [], self.start
        while position < self.end:
            self.budget.spend()
            value, position = self._varint(position)
            result.append(value)
        return result

    def _varint(self, position: int) -> tuple[int, int]:
        """Return the varint at `position` and the position behind it."""
        data, result = self.data, 0
        start, stop = position, min(position + 10, self.end)
        while position < stop:
            byte = data[position]
            result |= (byte & 127) << (7 * (position - start))
            position += 1
            if byte < 128:
                return result, position
        raise self._damaged(start, "an integer does not end" if stop == start + 10 else "the file ends within a field")

    def _check_room(self, tag_at: int, number: int, length: int, position: int) -> None:
        if length > self.end - position:
            remain = self.end - position
            raise self._damaged(tag_at, f"field {number} claims {length:,} bytes where {remain:,} remain")

    def _run_length(self, tag_at: int, tag_size: int, size: int) -> int:
        """Count how many fields with the tag at `tag_at` follow one another, in steps that double."""
        stride = tag_size + size
        most = (self.end - tag_at) // stride
        if self.data[tag_at : tag_at + tag_size] != self.data[tag_at + stride : tag_at + stride + tag_size]:
            return 1
        tag = np.frombuffer(self.data, np.uint8, tag_size, tag_at)
        count, step = 1, 1
        while count < most:
            look = min(step, most - count)
            tags = np.frombuffer(self.data, np.uint8, look * stride, tag_at + count * stride).reshape(look, stride)
            same = (tags[:, :tag_size] == tag).all(axis=1)
            if not same.all():
                return count + int(same.argmin())
            count, step = count + look, step * 2
        return count

    def _run(self, position: int, count: int, tag_size: int, size: int) -> Floats:
        """View `count` numbers of `size` bytes, each behind a tag of `tag_size` bytes, in place."""
        kind = np.dtype(f"<f{size}")
        return np.ndarray((count,), kind, self.data, offset=position, strides=(tag_size + size,))

    def _damaged(self, position: int, why: str) -> InputError:
        return InputError(f"{self.budget.where}: damaged at byte {position:,}: {why}")


Value = int | Message | Floats
