"""Pixels from an image file: by its content, within bounds of memory and time, the whole picture or an error.

JPEG, PNG, WebP, BMP, GIF and TIFF are read, and nothing else, whatever a file is called. Pillow decodes; this module
decides what reaches it. The readers of the six formats are called directly rather than through `PIL.Image.open`, which
would try every format it knows and compare with limits that are settings of the whole process.

Colour profiles are not applied. Of an animation or a file of several pages the first picture is read. A program that
sets Pillow's own switch `LOAD_TRUNCATED_IMAGES` has asked for damaged pictures, and gets them here too.
"""

import ctypes
import io
import re
import stat
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import BmpImagePlugin, GifImagePlugin, Image, ImageFile, PngImagePlugin, TiffImagePlugin, WebPImagePlugin
from PIL.JpegImagePlugin import JpegImageFile

from googlenet.errors import InputError
from googlenet.images.finding import display_name

__all__ = ["GROUND", "MAXIMUM_BYTES", "MAXIMUM_PIXELS", "Picture", "decode", "from_pillow", "open_picture"]

MAXIMUM_BYTES = 256 * 2**20  # of a file
MAXIMUM_PIXELS = 100_000_000  # of a picture; WebP, the most expensive, takes 16 bytes for each while it is decoded
GROUND = (255, 255, 255)  # transparent pixels are laid over white


def decode(source: str | Path | bytes, name: str | None = None) -> np.ndarray:
    """Return the picture in a file, or in a file's bytes, as uint8 [height, width, 3], RGB, contiguous, upright.

    Grey is repeated to three channels, 16 bits become the upper 8, CMYK is converted, alpha is laid over white, and the
    picture is turned as its EXIF orientation says. `name` is what an error calls bytes by. Raises `InputError` for
    whatever keeps the whole picture from being read: a missing, empty, truncated or damaged file, another kind of file,
    one above `MAXIMUM_BYTES`, or a picture above `MAXIMUM_PIXELS` (refused before its pixels take memory).
    """
    return open_picture(source, name).pixels()


@dataclass(frozen=True)
class Picture:
    """A picture whose header is read and found within bounds, and whose pixels have taken no memory yet."""

    name: str
    width: int
    height: int
    image: ImageFile.ImageFile
    talkative: bool

    def pixels(self) -> np.ndarray:
        """Decode to uint8 [height, width, 3] RGB, turned upright; raises `InputError` where it is damaged."""
        with _failures_named(self.name, self.image.format), _quiet(self.talkative):
            return _upright(self.image)


def from_pillow(image: Image.Image, name: str | None = None) -> np.ndarray:
    """Return the picture that Pillow holds, or would read, converted as `decode` does.

    `name` is what an error calls it by, else its file. Raises `InputError` where the file behind it is damaged, or for
    32-bit numbers.
    """
    name = name or display_name(getattr(image, "filename", "") or "image in memory")
    _check_range(name, image)
    with _failures_named(name, image.format or "image"):
        return _upright(image)


def open_picture(source: str | Path | bytes, name: str | None = None) -> Picture:
    """Read a file's header and check what it declares; arguments and errors as in `decode`."""
    data = source if isinstance(source, bytes) else _read_file(Path(source))
    name = name or ("image in memory" if isinstance(source, bytes) else display_name(source))
    if not data:
        raise InputError(f"{name}: the file is empty; replace it or leave it out")
    _check_bytes(name, len(data))
    format_ = next((format_ for format_ in _FORMATS if format_.signature.match(data)), None)
    if format_ is None:
        raise InputError(f"{name}: not a JPEG, PNG, WebP, BMP, GIF or TIFF file; convert it to one or leave it out")
    talkative = format_.name in ("TIFF", "GIF") or (format_.name == "PNG" and b"acTL" in data)  # acTL: animated
    with _failures_named(name, format_.name), _quiet(talkative):
        _check_size(name, *format_.declared_size(data))
        image = format_.reader(_Metered(data))
        width, height = image.size
        _check_size(name, width, height)
        _check_kind(name, image, data)
        if format_.name == "PNG":
            _mend_transparent_colour(image, depth=data[24])
    return Picture(name, width, height, image, talkative)


def _read_file(path: Path) -> bytes:
    name = display_name(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"{name}: a folder, not an image file; name a file in it")
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{name}: a pipe or device, not a regular file; save the image to a file first")
        _check_bytes(name, status.st_size)
        with path.open("rb") as file:
            return file.read(MAXIMUM_BYTES + 1)
    except InputError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{name}: cannot be read ({reason}); check the path and its rights") from error


def _check_bytes(name: str, count: int) -> None:
    if count > MAXIMUM_BYTES:
        raise InputError(f"{name}: above the limit of {MAXIMUM_BYTES >> 20} MiB for an image file; make it smaller")


# ------------------------------------------------------------------------------------------------- before the pixels


class _Jpeg(JpegImageFile):
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


def _told_by_reader(data: bytes) -> tuple[int, int]:
    """Stand in for a size where opening takes no memory for pixels, so that the reader may be asked."""
    return 1, 1


@dataclass(frozen=True)
class _Format:
    name: str
    signature: re.Pattern[bytes]
    reader: Callable[[io.BytesIO], Any]
    declared_size: Callable[[bytes], tuple[int, int]] = _told_by_reader


_FORMATS = (
    _Format("JPEG", re.compile(rb"\xff\xd8\xff"), _Jpeg),
    _Format("PNG", re.compile(rb"\x89PNG\r\n\x1a\n"), PngImagePlugin.PngImageFile),
    _Format("WEBP", re.compile(rb"RIFF....WEBP", re.DOTALL), WebPImagePlugin.WebPImageFile, _webp_size),
    _Format("GIF", re.compile(rb"GIF8[79]a"), GifImagePlugin.GifImageFile, _gif_size),
    _Format("TIFF", re.compile(rb"II[*+]\0|MM\0[*+]"), TiffImagePlugin.TiffImageFile),
    _Format("BMP", re.compile(rb"BM"), BmpImagePlugin.BmpImageFile),
)


class _Metered(io.BytesIO):
    """A file that ends a reader's work when it reads far more often, or far more, than a picture can need.

    It bounds what the readers keep of a file of countless tiny parts, or of parts that all point to the same bytes.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._reads_left = 1_000_000
        self._bytes_left = 8 * len(data) + 2**20

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._reads_left -= 1
        self._bytes_left -= len(data)
        if self._reads_left < 0 or self._bytes_left < 0:
            raise OSError("made of too many parts")
        return data


def _check_size(name: str, width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise InputError(f"{name}: declares {width} x {height} pixels, so there is no picture in it; leave it out")
    if width * height > MAXIMUM_PIXELS:
        raise InputError(
            f"{name}: declares {width} x {height} pixels, above the limit of {MAXIMUM_PIXELS // 10**6} megapixels;"
            " make it smaller"
        )


def _check_kind(name: str, image: Image.Image, data: bytes) -> None:
    """Refuse numbers without a range, and what costs far more memory or time than its pixels."""
    _check_range(name, image)
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        _check_size(name, tags.get(_TILE_WIDTH, 1), tags.get(_TILE_LENGTH, 1))
    most_scans = 20 * MAXIMUM_PIXELS // (image.width * image.height)
    if image.format == "JPEG" and data.count(b"\xff\xda") > most_scans and _scans(data) > most_scans:
        raise InputError(f"{name}: a JPEG of too many scans for its size; save it anew")


def _check_range(name: str, image: Image.Image) -> None:
    if image.mode in ("I", "F"):
        raise InputError(f"{name}: its 32-bit numbers have no fixed black and white; save it with 8 or 16 bits")


def _scans(data: bytes) -> int:
    """Count the scans of a JPEG; each of a progressive one passes over all pixels, however few bytes it has."""
    position, scans = 2, 0
    for _ in range(1_000_000):
        match = _MARKER.search(data, position)
        if match is None or match[0] == b"\xff\xd9":  # the end of the picture; more may follow, as in motion photos
            return scans
        scans += match[0] == b"\xff\xda"
        position = match.end() + int.from_bytes(data[match.end() : match.end() + 2], "big")
    raise OSError("made of too many parts")


_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")  # those that a length follows, and the end
_BITS_PER_SAMPLE, _PHOTOMETRIC, _ORIENTATION, _TILE_WIDTH, _TILE_LENGTH = 258, 262, 274, 322, 323  # TIFF 6.0, section 8


# --------------------------------------------------------------------------------------------------- from the pixels


def _upright(image: Image.Image) -> np.ndarray:
    image.load()
    return _turned(_rgb(image), _orientation(image.info.get("exif", b"")))


def _rgb(image: Image.Image) -> np.ndarray:
    """Convert a loaded picture in bands of rows, so that no second copy of a large one is made on the way."""
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, 2**22 // image.width)
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(top + rows, image.height))
        band = image if rows >= image.height else image.crop(box)
        pixels[top : box[3]] = _grey16_band(image, band) if image.mode.startswith("I;16") else _band(band)
    return pixels


def _band(band: Image.Image) -> np.ndarray:
    if band.has_transparency_data:
        band = band.convert("RGBA")
        ground = Image.new("RGB", band.size, GROUND)
        ground.paste(band, mask=band)
        return np.asarray(ground)
    return np.asarray(band if band.mode == "RGB" else band.convert("RGB"))


def _grey16_band(image: Image.Image, band: Image.Image) -> np.ndarray:
    """Scale 16-bit (in TIFF also 12-bit) grey, [rows, width, 1]; Pillow's own conversion cuts off above 255."""
    tags = getattr(image, "tag_v2", {})
    values = np.asarray(band).astype(np.uint16)
    grey = (values >> tags.get(_BITS_PER_SAMPLE, (16,))[0] - 8).astype(np.uint8)
    if tags.get(_PHOTOMETRIC, 1) == 0:  # white is zero
        grey = 255 - grey
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = GROUND[0]
    return grey[:, :, None]


def _mend_transparent_colour(image: Image.Image, depth: int) -> None:
    """Bring a PNG's one transparent colour from its own bit depth to 8 bits, as Pillow does with the pixels alone."""
    colour = image.info.get("transparency")
    if image.mode == "L" and depth < 8 and isinstance(colour, int):
        image.info["transparency"] = colour * 255 // (2**depth - 1)
    if image.mode == "RGB" and depth == 16 and isinstance(colour, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in colour)


def _orientation(exif: bytes) -> int:
    """Find the orientation, 1 to 8, in an EXIF block; 1 where there is none or the block is damaged."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order: Any = {b"II": "little", b"MM": "big"}.get(tiff[:2])
    if order is None:
        return 1
    first = int.from_bytes(tiff[4:8], order)
    for entry in range(int.from_bytes(tiff[first : first + 2], order)):
        start = first + 2 + 12 * entry
        field = tiff[start : start + 12]
        if len(field) < 12:
            break
        if int.from_bytes(field[:2], order) == _ORIENTATION:
            value = int.from_bytes(field[8:10], order)
            return value if 1 <= value <= 8 else 1
    return 1


def _turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn a stored picture upright: 5 to 8 swap the axes, then rows and columns run backwards where they must."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    backwards = slice(None, None, -1)
    rows = backwards if orientation in (3, 4, 7, 8) else slice(None)
    columns = backwards if orientation in (2, 3, 6, 7) else slice(None)
    return np.ascontiguousarray(pixels[rows, columns])


# ------------------------------------------------------------------------------------------------------------ errors


@contextmanager
def _failures_named(name: str, format_: str | None) -> Iterator[None]:
    """Turn every failure of a reader into the one line that names the file."""
    try:
        yield
    except InputError:
        raise
    except (EOFError, IndexError, struct.error) as error:
        raise InputError(f"{name}: not a whole {format_} file (cut off); replace it or leave it out") from error
    except Exception as error:  # readers of damaged files fail in too many ways to list
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{name}: not a whole {format_} file ({reason}); replace it or leave it out") from error


def _quiet(talkative: bool) -> AbstractContextManager[None]:
    """Keep what a reader has to say off stderr; those that never talk need no care."""
    return _silence() if talkative else nullcontext()


@contextmanager
def _silence() -> Iterator[None]:
    """Silence Pillow's warnings, its log and libtiff; one thread at a time, since they belong to the whole process."""
    with _QUIET, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        handler, disabled = _set_libtiff_handler(None), TiffImagePlugin.logger.disabled
        TiffImagePlugin.logger.disabled = True
        try:
            yield
        finally:
            TiffImagePlugin.logger.disabled = disabled
            _set_libtiff_handler(handler)


_QUIET = threading.Lock()


def _set_libtiff_handler(handler: int | None) -> int | None:
    """Set what libtiff, inside Pillow, calls with an error, and return what it was; by itself it writes to stderr."""
    try:
        set_handler = ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler
    except (OSError, AttributeError):  # a Pillow that hides it or has none
        return None
    set_handler.restype, set_handler.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    return set_handler(handler)
