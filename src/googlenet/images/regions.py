"""Patches of an image file, without decoding more of it than the patch needs: decoding bounds a training's input.

Most photographs are JPEG files of one scan, coded row of blocks by row of blocks. Of such a file only the rows down to
the patch's lower edge are decoded, by telling the decoder of a lower picture. And where the patch is at least 2, 4 or 8
times as large as the output in both directions, it is decoded at a half, a quarter or an eighth of its size, never
below the output's: a large photograph is then met as if it had been stored smaller, which is how every training set of
photographs is prepared; the edges of the patch move by less than half a pixel of the smaller picture.

The decoder is libjpeg-turbo in the form of the package `simplejpeg`. It gives the same pixels, bit for bit, as Pillow's
decoder does, which `decoding` uses: both are builds of libjpeg-turbo with the accurate transform and the smooth
upsampling of colour. Every other kind of file is decoded whole by `decoding`, and so is any in which something is odd,
so that errors are worded in one place.
"""

import re
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from googlenet.images.content import MAXIMUM_BYTES
from googlenet.images.crops import Crop, apply
from googlenet.images.decoding import MAXIMUM_JPEG_PIXELS, MAXIMUM_PIXELS, Decoded, open_picture

__all__ = ["SourceImage", "decoder", "open_image", "whole_image"]


class SourceImage(Protocol):
    """An image of which patches can be taken; its size is that of the upright picture."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    def patch(self, crop: Crop, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Cut and resize to `size` = (height, width), as `crops.apply` does to the whole picture."""
        ...


def open_image(data: bytes, name: str) -> SourceImage:
    """Read what is needed to say how large the image is; errors as `decoding.decode`, here or from `patch`."""
    return _one_scan_jpeg(data, name) or _Whole(open_picture(data, name).decoded())


def whole_image(pixels: NDArray[np.uint8]) -> SourceImage:
    """Return a picture that is decoded already, uint8 [height, width, 3], as one of which patches can be taken."""
    return _Whole(Decoded(pixels, pixels.shape[1], pixels.shape[0], 1))


def decoder() -> str:
    """Say what decodes JPEG files of one scan."""
    return f"simplejpeg {simplejpeg.__version__}"


@dataclass(frozen=True)
class _Whole:
    decoded: Decoded

    @property
    def width(self) -> int:
        return self.decoded.width

    @property
    def height(self) -> int:
        return self.decoded.height

    def patch(self, crop: Crop, size: tuple[int, int]) -> NDArray[np.uint8]:
        pixels = self.decoded.pixels
        return apply(pixels, _scaled(crop, self.decoded.scale, pixels.shape), size)


@dataclass(frozen=True)
class _OneScanJpeg:
    data: bytes
    name: str
    width: int
    height: int
    height_at: int
    """Where in `data` the height is declared, two bytes."""
    margin: int
    """Rows below a patch that its pixels need: the smooth upsampling of colour looks at one row of colour further."""

    def patch(self, crop: Crop, size: tuple[int, int]) -> NDArray[np.uint8]:
        scale = next(s for s in (8, 4, 2, 1) if s == 1 or (crop.width >= s * size[1] and crop.height >= s * size[0]))
        if self.width * min(crop.y0 + crop.height, self.height) > MAXIMUM_PIXELS:
            scale = max(scale, 2)
        pixels = self._rows(min(crop.y0 + crop.height + self.margin * scale, self.height), scale)
        if pixels is None:
            return _Whole(open_picture(self.data, self.name).decoded()).patch(crop, size)
        return apply(pixels, _scaled(crop, scale, pixels.shape), size)

    def _rows(self, rows: int, scale: int) -> NDArray[np.uint8] | None:
        """Decode the upper rows at 1 / scale; None where that fails."""
        data = bytearray(self.data)
        data[self.height_at : self.height_at + 2] = rows.to_bytes(2, "big")
        smallest = {"min_height": -(-rows // scale), "min_width": -(-self.width // scale), "min_factor": scale}
        try:
            return simplejpeg.decode_jpeg(data, "RGB", strict=False, **(smallest if scale > 1 else {}))
        except ValueError:
            return None


def _scaled(crop: Crop, scale: int, shape: tuple[int, ...]) -> Crop:
    """The same patch in a picture decoded at 1 / scale, to the nearest pixel."""
    if scale == 1:
        return crop
    x0, y0 = min(round(crop.x0 / scale), shape[1] - 1), min(round(crop.y0 / scale), shape[0] - 1)
    width, height = max(1, round(crop.width / scale)), max(1, round(crop.height / scale))
    if crop.x0 >= 0:
        width = min(width, shape[1] - x0)
    if crop.y0 >= 0:
        height = min(height, shape[0] - y0)
    return replace(crop, x0=x0, y0=y0, width=width, height=height)


def _one_scan_jpeg(data: bytes, name: str) -> _OneScanJpeg | None:
    """Read a JPEG file's segments up to its pixels; None unless it is sequential, of one scan, whole, and upright."""
    frame = None
    position = 2
    while data[:2] == b"\xff\xd8" and position + 4 <= len(data) <= MAXIMUM_BYTES and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        content = position + 4
        if marker == 0xE1 and _perhaps_turned(data[content : content + length]):
            return None
        if marker in _SEQUENTIAL:
            frame = content
        elif marker == _SCAN:
            whole = data.rfind(b"\xff\xd9", content) > 0
            return _described(data, name, frame, scan=content) if frame and whole else None
        elif not _is_passed_over(marker):
            return None
        position += 2 + length
    return None


_SEQUENTIAL, _SCAN = (0xC0, 0xC1), 0xDA


def _is_passed_over(marker: int) -> bool:
    """Tables, restart interval, application data, comments: not frames of other kinds, nor what stands alone."""
    return marker in (0xC4, 0xDB, 0xDD, 0xFE) or 0xE0 <= marker <= 0xEF


def _described(data: bytes, name: str, frame: int, scan: int) -> _OneScanJpeg | None:
    """Check what a frame declares: 8 bits, one or three components, all of them in the scan, and a bounded size."""
    if len(data) < max(scan, frame + 14) + 1 or data[frame] != 8:
        return None
    if data[frame + 5] not in (1, 3) or data[scan] != data[frame + 5]:
        return None
    height, width = (int.from_bytes(data[at : at + 2], "big") for at in (frame + 1, frame + 3))
    if not 0 < width * height <= MAXIMUM_JPEG_PIXELS:
        return None
    rows = [
        data[at] & 15 for at in range(frame + 7, frame + 7 + 3 * data[frame + 5], 3)
    ]  # of each component in a block
    return _OneScanJpeg(data, name, width, height, frame + 1, margin=max(rows) if len(set(rows)) > 1 else 0)


def _perhaps_turned(segment: bytes) -> bool:
    """Whether something in an EXIF segment looks like the orientation's tag with another value than 1."""
    values = re.findall(rb"\x12\x01.{6}(..)|\x01\x12.{6}(..)", segment, re.DOTALL)
    return any(little not in (b"", b"\x01\x00") or big not in (b"", b"\x00\x01") for little, big in values)
