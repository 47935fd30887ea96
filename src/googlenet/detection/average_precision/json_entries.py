"""The entries of a long JSON list, one after the other: memory holds one of them, and a piece of the text."""

import io
import json
import os
import re
from collections.abc import Iterator
from typing import IO, Any

from googlenet.errors import InputError
from googlenet.files import open_regular
from googlenet.images.finding import display_name
from googlenet.records import without_repetition

__all__ = ["json_entries"]

PIECE = 1 << 20
"""Characters that are read at once; an entry is at most four times as long."""


def json_entries(path: str | os.PathLike[str]) -> Iterator[Any]:
    """Yield the objects of a JSON list; `InputError` names the file and entry of what is none, or too long."""
    number = 0
    try:
        with open_regular(path) as file:
            text = _Text(file)
            text.expect("[")
            while text.next() != "]":
                if number:
                    text.expect(",")
                number += 1
                yield text.object()
            text.expect("]")
            if text.next():
                raise ValueError("something follows the list")
    except OSError as error:
        raise InputError(f"{display_name(path)}: cannot be read ({error.strerror or error}); check the path") from None
    except InputError:
        raise
    except UnicodeDecodeError:
        raise InputError(f"{display_name(path)}, entry {number}: not UTF-8; save the file as UTF-8 text") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{display_name(path)}, entry {number}: not a list of JSON ({error}); mend it") from None


_VISIBLE = re.compile(r"[^ \t\n\r]")


class _Text:
    """The text of a file, piece by piece, and how far it was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = io.TextIOWrapper(file, encoding="utf-8-sig")
        self._text, self._place = "", 0
        self._decode = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_object).raw_decode

    def next(self) -> str:
        """Return the next character that is not white; empty at the end."""
        while True:
            found = _VISIBLE.search(self._text, self._place)
            if found is not None:
                self._place = found.start()
                return found[0]
            self._place = len(self._text)
            if not self._more():
                return ""

    def expect(self, character: str) -> None:
        found = self.next()
        if found != character:
            raise ValueError(f"expected {character}, found {found or 'the end'}")
        self._place += 1

    def object(self) -> Any:
        if self.next() != "{":
            raise ValueError(f"expected an object, found {self.next() or 'the end'}")
        while True:
            try:
                value, self._place = self._decode(self._text, self._place)
                return value
            except ValueError as error:  # it may reach over the end of the piece
                if len(self._text) - self._place > 4 * PIECE:
                    raise ValueError(f"an entry of over {4 * PIECE:,} characters, or {error}") from None
                if not self._more():
                    raise

    def _more(self) -> bool:
        """Read another piece; return whether there was one."""
        piece = self._file.read(PIECE)
        self._text, self._place = self._text[self._place :] + piece, 0
        return bool(piece)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    try:
        return without_repetition(pairs)
    except InputError as error:
        raise ValueError(str(error)) from None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")
