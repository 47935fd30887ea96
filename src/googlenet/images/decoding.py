"""Pixels from an image: by its content, within bounds of memory and time, the whole picture or an error.

JPEG, PNG, WebP, BMP, GIF and TIFF are read, and nothing else, whatever a file is called. Pillow decodes; this module
decides what reaches it. The readers of the six formats are called directly rather than through `PIL.Image.open`, which
would try every format it knows and compare with limits that are settings of the whole process.

Colour profiles are not applied. Of an animation or a file of several pages the first picture is read. A program that
sets Pillow's own switch `LOAD_TRUNCATED_IMAGES` has asked for damaged pictures, and gets them here too.
"""

import ctypes
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
from PIL import Image, TiffImagePlugin

from googlenet.errors import InputError
from googlenet.images.content import Source, name_of, read_content
from googlenet.images.formats import JpegReader, Metered, format_of, scans, with_end
from googlenet.images.orientation import orientation, turned

__all__ = [
    *["GROUND", "MAXIMUM_JPEG_PIXELS", "MAXIMUM_PIXELS"],
    *["Decoded", "Picture", "Source", "decode", "open_picture"],
]

MAXIMUM_PIXELS = 100_000_000  # of a picture; WebP, the most expensive, takes 16 bytes for each while it is decoded
MAXIMUM_JPEG_PIXELS = 250_000_000  # above MAXIMUM_PIXELS at half the size; if progressive, 6 bytes for each of them
GROUND = (255, 255, 255)  # transparent pixels are laid over white


def decode(source: Source, name: str | None = None) -> np.ndarray:
    """Return a picture as uint8 [height, width, 3], RGB, contiguous, upright.

    It is given as a path, as the bytes of a file, as an open file, or as Pillow's picture (its frame as it stands).
    Grey is repeated to three channels, 16 bits become the upper 8, CMYK is converted, alpha is laid over white, and the
    picture is turned as its EXIF orientation says. A JPEG above `MAXIMUM_PIXELS` is decoded at half its width and
    height: each pixel is then the mean of four. `name` is what an error calls the picture by. Raises `InputError` for
    whatever keeps the whole picture from being read: a missing, empty, truncated or damaged file, another kind of file,
    one above `MAXIMUM_BYTES`, or a picture above the limit (refused before its pixels take memory).
    """
    return open_picture(source, name).pixels()


@dataclass(frozen=True)
class Decoded:
    """Pixels uint8 [h, w, 3], RGB, upright, of a picture of `width` x `height`, upright too.

    The pixels are at 1 / `scale` of that size, rounded up.
    """

    pixels: np.ndarray
    width: int
    height: int
    scale: int


@dataclass(frozen=True)
class Picture:
    """A picture whose header is read and found within bounds, and whose pixels have taken no memory yet."""

    name: str
    width: int
    height: int
    """As they are stored; turning may exchange them."""
    image: Image.Image
    scale: int = 1
    """What `image` is decoded at: 1 / `scale` of the width and the height."""
    data: bytes = b""
    """The file; nothing where Pillow's picture was given."""
    talkative: bool = False

    @property
    def orientation(self) -> int:
        """EXIF's orientation, 1 to 8, as far as the head of the file says it."""
        return orientation(self.image.info.get("exif") or b"")

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height of the picture as it is seen."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)

    def pixels(self) -> np.ndarray:
        """The pixels of `decoded`."""
        return self.decoded().pixels

    def decoded(self) -> Decoded:
        """Decode and turn upright; raises `InputError` where the picture is damaged."""
        with _failures_named(self.name, self.image.format), _quiet(self.talkative):
            image = self._loaded()
            how = orientation(image.info.get("exif") or b"")
            pixels = turned(_rgb(image), how)
        if self.scale == 1:
            return Decoded(pixels, pixels.shape[1], pixels.shape[0], 1)
        width, height = (self.height, self.width) if how >= 5 else (self.width, self.height)
        return Decoded(pixels, width, height, self.scale)

    def _loaded(self) -> Image.Image:
        try:
            self.image.load()
            return self.image
        except Exception:
            whole = with_end(self.data) if self.data and self.image.format == "JPEG" else None
            if whole is None:
                raise
            image = JpegReader(Metered(whole))
            _reduce(image, self.scale)
            image.load()
            return image


def open_picture(source: Source, name: str | None = None) -> Picture:
    """Read a file's header and check what it declares; arguments and errors as in `decode`."""
    name = name or name_of(source)
    if isinstance(source, Image.Image):
        return _opened_by_pillow(source, name)
    data = read_content(source, name)
    format_ = format_of(data)
    if format_ is None:
        raise InputError(f"{name}: not a JPEG, PNG, WebP, BMP, GIF or TIFF file; convert it to one or leave it out")
    talkative = format_.name in ("TIFF", "GIF") or (format_.name == "PNG" and b"acTL" in data)  # acTL: animated
    with _failures_named(name, format_.name), _quiet(talkative):
        _check_size(name, format_.name, *format_.declared_size(data))
        image: Image.Image = format_.reader(Metered(format_.content(data)))
        width, height = image.size
        _check_size(name, format_.name, width, height)
        _check_kind(name, image, data)
        scale = 1 if width * height <= MAXIMUM_PIXELS else 2
        _reduce(image, scale)
        if format_.name == "PNG":
            _mend_transparent_colour(image, depth=data[24])
    return Picture(name, width, height, image, scale, data, talkative)


def _reduce(image: Image.Image, scale: int) -> None:
    """Have a JPEG decoded at 1 / `scale` of its width and height, by the transform of its blocks itself."""
    if scale > 1:
        image.draft(None, (image.width // scale, image.height // scale))


def _opened_by_pillow(image: Image.Image, name: str) -> Picture:
    _check_size(name, "", *image.size)
    _check_kind(name, image, b"")
    return Picture(name, *image.size, image, talkative=image.format in ("TIFF", "GIF", "PNG"))


def _check_size(name: str, format_: str, width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise InputError(f"{name}: declares {width} x {height} pixels, so there is no picture in it; leave it out")
    most = MAXIMUM_JPEG_PIXELS if format_ == "JPEG" else MAXIMUM_PIXELS
    if width * height > most:
        mend = "make it smaller"
        if width * height <= MAXIMUM_JPEG_PIXELS:
            mend = f"save it as JPEG, which is read up to {MAXIMUM_JPEG_PIXELS // 10**6}, or {mend}"
        raise InputError(
            f"{name}: declares {width} x {height} pixels, above the limit of {most // 10**6} megapixels; {mend}"
        )


def _check_kind(name: str, image: Image.Image, data: bytes) -> None:
    """Refuse numbers without a range, and what costs far more memory or time than its pixels."""
    if image.mode in ("I", "F"):
        raise InputError(f"{name}: its 32-bit numbers have no fixed black and white; save it with 8 or 16 bits")
    tags = getattr(image, "tag_v2", {})
    _check_size(name, "TIFF", tags.get(_TILE_WIDTH, 1), tags.get(_TILE_LENGTH, 1))
    most_scans = 25 * MAXIMUM_PIXELS // (image.width * image.height)
    if image.format == "JPEG" and data.count(b"\xff\xda") > most_scans and scans(data) > most_scans:
        raise InputError(f"{name}: a JPEG of too many scans for its size; save it anew")


_BITS_PER_SAMPLE, _PHOTOMETRIC, _TILE_WIDTH, _TILE_LENGTH = 258, 262, 322, 323  # TIFF 6.0, section 8


# --------------------------------------------------------------------------------------------------- from the pixels


def _rgb(image: Image.Image) -> np.ndarray:
    """Convert a loaded picture in bands of rows, so that no second copy of a large one is made on the way."""
    opaque = _alpha_is_unused(image)
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, 2**22 // image.width)
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(top + rows, image.height))
        band = image if rows >= image.height else image.crop(box)
        if opaque:
            band = band.convert("RGB")
        pixels[top : box[3]] = _grey16_band(image, band) if image.mode.startswith("I;16") else _band(band)
    return pixels


def _alpha_is_unused(image: Image.Image) -> bool:
    """Whether a picture's fourth channel is the padding of Windows' bitmaps: 0 everywhere, and alpha to nobody.

    In the other formats alpha is always meant, also where all of a picture is transparent.
    """
    if image.format not in ("BMP", "DIB", "ICO", "CUR", "TGA") or image.mode != "RGBA":
        return False
    return image.getchannel("A").getextrema() == (0, 0)


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
        raise InputError(
            f"{name}: not a whole {format_ or 'picture'} file ({reason}); replace it or leave it out"
        ) from error


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
