"""Which views of an image a network is asked about: section 7's protocol, others, and one's own, as data.

The paper resizes the short side to 256, 288, 320 and 352, takes the left, centre and right square of each (of a tall
image top, centre, bottom), and of each square the four corners and the centre at 224 x 224, the whole of it resized to
224 x 224, and all of these mirrored: 4 x 3 x 6 x 2 = 144.
"""

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from googlenet.errors import InputError, shown
from googlenet.files import open_regular
from googlenet.records import decode, encode, parse_json

__all__ = ["INPUT", "PROTOCOLS", "Position", "Protocol", "Square", "find_protocol", "find_protocols"]

INPUT = 224
"""The side of the input for which scales are written; for another they are taken in proportion."""

LARGEST_SCALE = 8 * INPUT
"""Bounds the memory that a long picture takes."""

MOST_SCALES = 32

Square = Literal["start", "middle", "end"]
"""Where along the long side a square lies: left, centre, right, or top, centre, bottom."""

Position = Literal["top-left", "top-right", "bottom-left", "bottom-right", "centre", "whole"]
"""Where in a square a crop of the network's size lies; `whole` is the square itself, resized to that size."""

CORNERS: tuple[Position, ...] = ("top-left", "top-right", "bottom-left", "bottom-right")


@dataclass(frozen=True)
class Protocol:
    """Views of an image: every square of every scale at every position, and the mirror image of each.

    `scales` are short sides for an input of 224 x 224; without any the image is resized as the weights say. Without
    `squares` the positions are those in the whole resized picture. Filter and antialiasing are always the weights'.
    Creating one checks it: raises `InputError` with the field's name.
    """

    name: str
    scales: tuple[int, ...] = ()
    squares: tuple[Square, ...] = ()
    positions: tuple[Position, ...] = ("centre",)
    mirror: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", self.name):
            raise InputError("name must be 1 to 40 letters, digits and . _ - and begin with a letter or digit")
        for field in ("scales", "squares", "positions"):
            values = tuple(getattr(self, field))
            object.__setattr__(self, field, values)  # a list would do, were it not for the hash
            if twice := [value for value in values if values.count(value) > 1]:
                raise InputError(f"{field}: {twice[0]} stands there twice")
        if not self.positions:
            raise InputError("positions: give at least one")
        if "whole" in self.positions and not self.squares:
            raise InputError("positions: 'whole' is a whole square; give squares")
        if len(self.scales) > MOST_SCALES:
            raise InputError(f"scales: {len(self.scales)} are too many; give at most {MOST_SCALES}")
        least = 1 if self.positions == ("whole",) else INPUT
        if wrong := [scale for scale in self.scales if not least <= scale <= LARGEST_SCALE]:
            why = f"holds no crop of {INPUT}" if 0 < wrong[0] < INPUT else "is out of range"
            raise InputError(f"scales: {wrong[0]} {why}; give short sides of {least} to {LARGEST_SCALE}")

    @property
    def views(self) -> int:
        """How many views are taken of an image, those that coincide counted each."""
        return max(len(self.scales), 1) * max(len(self.squares), 1) * len(self.positions) * (1 + self.mirror)

    def sides(self, size: tuple[int, int]) -> tuple[int, ...]:
        """Return the scales for a network of `size` (height, width), pixels, a half rounded up: 256 is 37 for 32.

        None is less than a pixel.
        """
        return tuple(max(1, (2 * scale * max(size) + INPUT) // (2 * INPUT)) for scale in self.scales)

    def to_json(self) -> str:
        """Return the protocol as JSON text, which `find_protocol` reads from a file."""
        return json.dumps(encode(self), indent=1)


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol("1"),
        Protocol("10", positions=(*CORNERS, "centre"), mirror=True),
        Protocol("144", (256, 288, 320, 352), ("start", "middle", "end"), (*CORNERS, "centre", "whole"), mirror=True),
        # Howard 2013 (arXiv 1312.5402): 3 scales x 3 squares x 5 crops x 2
        Protocol("howard-90", (228, 256, 284), ("start", "middle", "end"), (*CORNERS, "centre"), mirror=True),
    )
}


def find_protocol(given: str | int | os.PathLike[str] | Protocol) -> Protocol:
    """Return a protocol by its name ("144" or 144), the one in a .json file, or the one that is given.

    Raises `InputError` for an unknown name, and for a file that cannot be read, with the field at fault; a file's
    protocol may be called as one of `PROTOCOLS` only if it is that one.
    """
    if isinstance(given, Protocol):
        return given
    text = os.fspath(given) if isinstance(given, str | os.PathLike) else str(given)
    if text in PROTOCOLS:
        return PROTOCOLS[text]
    if not text.endswith(".json"):
        raise InputError(f"crops '{shown(text)}' are not known; there are {', '.join(PROTOCOLS)}, or a .json file")
    protocol = _read(text)
    if PROTOCOLS.get(protocol.name, protocol) != protocol:
        raise InputError(f"{text}: name: '{protocol.name}' has other views; give yours a name of its own")
    return protocol


def find_protocols(given: Iterable[str | int | os.PathLike[str] | Protocol]) -> tuple[Protocol, ...]:
    """Return the protocols that are given, each once; raises `InputError` where two with one name differ."""
    found: dict[str, Protocol] = {}
    for protocol in map(find_protocol, given):
        if found.setdefault(protocol.name, protocol) != protocol:
            raise InputError(f"crops: two protocols are called '{protocol.name}'; give one of them another name")
    return tuple(found.values())


_LONGEST_FILE = 1 << 16  # bytes


def _read(path: str) -> Protocol:
    try:
        with open_regular(path) as file:
            text = file.read(_LONGEST_FILE + 1)
        if len(text) > _LONGEST_FILE:
            raise InputError(f"{path}: not a protocol, which takes under {_LONGEST_FILE // 1024} KiB")
    except InputError:  # a ValueError too
        raise
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}); check the path"
        ) from None
    return decode(Protocol, parse_json(text, path), path)
