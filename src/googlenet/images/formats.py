"""What reaches Pillow's readers of the six formats: sizes are told before a reader takes memory for them, metadata that
nobody asks for stays out, and what is whole but for its end is given one.
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import simplejpeg
from PIL import BmpImagePlugin, GifImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin
from PIL.JpegImagePlugin import JpegImageFile

__all__ = ["Format", "JpegReader", "Metered", "format_of", "scans", "with_end"]

_MOST_PARTS = 1_000_000
"""Chunks, segments or reads of one file; bounds the time for a file of countless tiny ones."""


class JpegReader(JpegImageFile):
    """Pillow's reader, without the look into EXIF for a printing resolution that warns about every damaged entry."""

    def _read_dpi_from_exif(self) -> None:
        pass


def _webp_size(data: bytes) -> tuple[int, int]:
    """Read the canvas size of a WebP file, whose reader takes memory for the canvas when it is opened."""
    chunk = data[12:16]
    if chunk == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF


def _gif_size(data: bytes) -> tuple[int, int]:
    """Read the size of a GIF's screen, or of its first frame where that reaches further, before anything is opened.

    The reader takes memory for the frame's area when it is opened.
    """

    def palette_bytes(flags: int) -> int:
        return 3 << (flags & 7) + 1 if flags & 0x80 else 0

    def number(at: int) -> int:
        return int.from_bytes(data[at : at + 2], "little")

    width, height, position = number(6), number(8), 13 + palette_bytes(data[10])
    while data[position] == 0x21:  # extensions, in blocks of at most 255 bytes
        position += 2
        while data[position]:
            position += 1 + data[position]
        position += 1
    if data[position] == 0x2C:
        width = max(width, number(position + 1) + number(position + 5))
        height = max(height, number(position + 3) + number(position + 7))
    return width, height


def _png_pictures(data: bytes) -> bytes:
    """Leave out a PNG's texts and colour profile: few bytes may unpack to gigabytes, so that the reader gives up."""
    kept: list[bytes] = []
    position, start = 8, 0
    for _ in range(_MOST_PARTS):
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        if end > len(data):
            break  # the reader says so
        if kind in (b"iCCP", b"tEXt", b"zTXt", b"iTXt"):
            kept.append(data[start:position])
            start = end
        position = end
        if kind == b"IEND":
            break
    else:
        raise OSError("made of too many parts")
    return b"".join([*kept, data[start:]]) if kept else data


def _told_by_reader(data: bytes) -> tuple[int, int]:
    """Stand in for a size where opening takes no memory for pixels, so that the reader may be asked."""
    return 1, 1


@dataclass(frozen=True)
class Format:
    """One kind of file, known by how it begins, and its reader."""

    name: str
    signature: re.Pattern[bytes]
    reader: Callable[[io.BytesIO], Any]
    declared_size: Callable[[bytes], tuple[int, int]] = _told_by_reader
    """Width and height, where they must be known before the file is opened."""
    content: Callable[[bytes], bytes] = bytes
    """What of the file the reader is given."""


def format_of(data: bytes) -> Format | None:
    """Recognise a file by its first bytes; None for a kind that is not read."""
    return next((format_ for format_ in _FORMATS if format_.signature.match(data)), None)


_FORMATS = (
    Format("JPEG", re.compile(rb"\xff\xd8\xff"), JpegReader),
    Format("PNG", re.compile(rb"\x89PNG\r\n\x1a\n"), PngImagePlugin.PngImageFile, content=_png_pictures),
    Format("WEBP", re.compile(rb"RIFF....WEBP", re.DOTALL), WebPImagePlugin.WebPImageFile, _webp_size),
    Format("GIF", re.compile(rb"GIF8[79]a"), GifImagePlugin.GifImageFile, _gif_size),
    Format("TIFF", re.compile(rb"II[*+]\0|MM\0[*+]"), TiffImagePlugin.TiffImageFile),
    Format("BMP", re.compile(rb"BM"), BmpImagePlugin.BmpImageFile),
)


class Metered(io.BytesIO):
    """A file that ends a reader's work when it reads far more often, or far more, than a picture can need.

    It bounds what the readers keep of a file of countless tiny parts, or of parts that all point to the same bytes.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._reads_left = _MOST_PARTS
        self._bytes_left = 8 * len(data) + 2**20

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._reads_left -= 1
        self._bytes_left -= len(data)
        if self._reads_left < 0 or self._bytes_left < 0:
            raise OSError("made of too many parts")
        return data


def scans(data: bytes) -> int:
    """Count the scans of a JPEG; each of a progressive one passes over all pixels, however few bytes it has."""
    position, found = 2, 0
    for _ in range(_MOST_PARTS):
        match = _MARKER.search(data, position)
        if match is None or match[0] == b"\xff\xd9":  # the end of the picture; more may follow, as in motion photos
            return found
        found += match[0] == _SCAN
        position = match.end() + int.from_bytes(data[match.end() : match.end() + 2], "big")
    raise OSError("made of too many parts")


def with_end(data: bytes) -> bytes | None:
    """Return a JPEG whose pixels are all there, but no end marker after them, with one; None for any other.

    Some writers forget the marker, and phones put notes of their own in its place. That the scans are complete is read
    from their headers (each coefficient of each component, to its last bit); that the last one is not cut off is what
    a decoder says that stops at the first odd thing.
    """
    missing: dict[int, set[int]] = {}
    position = 2
    for _ in range(_MOST_PARTS):
        match = _MARKER.search(data, position)
        if match is None:
            return None
        content = data[match.end() + 2 : match.end() + 2 + 4 * 255]
        position = match.end() + int.from_bytes(data[match.end() : match.end() + 2], "big")
        if match[0] in _FRAMES and len(content) > 5:
            missing = {component: set(range(64)) for component in content[6 : 6 + 3 * content[5] : 3]}
        elif match[0] == _SCAN and content:
            components, rest = content[1 : 1 + 2 * content[0] : 2], content[1 + 2 * content[0] :]
            if len(rest) < 3 or not missing:
                return None
            first, last, bits_left = rest[0], rest[1], rest[2] & 15
            for component in components if bits_left == 0 else ():
                missing.get(component, set()).difference_update(range(first, last + 1))
            if not any(missing.values()):
                return _ended(data, position, len(missing))
    return None


def _ended(data: bytes, position: int, components: int) -> bytes | None:
    """Put an end marker after the scan that begins at `position`, unless it has one or its pixels do not suffice."""
    marker = _MARKER.search(data, position)
    if marker is not None and marker[0] == b"\xff\xd9":
        return None
    ended = data[: marker.start() if marker else len(data)] + b"\xff\xd9"
    try:  # at an eighth of its size: what counts is the code, not the pixels
        colours = "CMYK" if components == 4 else "GRAY"
        simplejpeg.decode_jpeg(ended, colours, min_height=1, min_width=1, min_factor=8, strict=True)
    except ValueError as error:
        if "extraneous bytes before marker 0xd9" not in str(error):  # notes behind the pixels
            return None
    return ended


_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")  # those that a length follows, and the end
_SCAN = b"\xff\xda"
_FRAMES = (b"\xff\xc0", b"\xff\xc1", b"\xff\xc2")  # sequential and progressive Huffman codes
