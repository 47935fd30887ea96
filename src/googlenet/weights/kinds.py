"""What a file of weights is, told by its first bytes and never by its name."""

import re
from typing import Literal

__all__ = ["BEGINNING", "SIGNATURE", "Kind", "kind_of"]

Kind = Literal["zip", "pickle", "safetensors", "hdf5", "graph", "caffemodel"]

BEGINNING = 64
"""Bytes that are enough to tell."""

SIGNATURE = b"PK\x03\x04"
"""The first bytes of a ZIP archive."""

TORCH_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The first pickle of a file that torch wrote before 1.6, or without its ZIP form: a number that only torch uses."""


def kind_of(beginning: bytes) -> Kind | None:
    """Return what begins with these bytes, as far as it may hold a network's weights; None for anything else."""
    if beginning.startswith(SIGNATURE):
        return "zip"
    if beginning.startswith(TORCH_MAGIC):
        return "pickle"
    if beginning[8:9] == b"{":
        return "safetensors"
    if beginning.startswith(b"\x89HDF\r\n"):
        return "hdf5"
    if len(beginning) < BEGINNING:  # no network is so small, and the rest of the forms have weak signs
        return None
    if re.match(rb"\x0a[\x80-\xff]*[\x00-\x7f]\x0a", beginning):  # the first field is a node, whose first is its name
        return "graph"
    if beginning.startswith((b"\x0a", b"\x12", b"\x1a", b"\xa2\x06")):  # a net's name, layers, input, layer
        return "caffemodel"
    return None
