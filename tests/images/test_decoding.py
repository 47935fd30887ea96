"""Decoding: against Pillow's and OpenCV's own readers, against known pixels, and on bad files."""

import csv
import hashlib
import io
import os
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps, PngImagePlugin

from googlenet.errors import InputError
from googlenet.images import content, decoding
from googlenet.images.decoding import decode, open_picture
from googlenet.images.orientation import orientation
from googlenet.images.preprocessing import prepare
from googlenet.network.specification import Pixels, Resize


def scene(height: int = 37, width: int = 53) -> np.ndarray:
    """A smooth coloured picture without any symmetry."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    waves = [128 + 110 * np.sin(x / 9 + phase) * np.cos(y / (7 + phase)) for phase in (0, 1, 2)]
    return np.stack(waves, axis=2).round().astype(np.uint8)


SCENE = scene()


def encoded(picture: np.ndarray | Image.Image, format_: str, **options: object) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG written by hand: `rows` are the packed samples, without the filter bytes."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    step = max(1, len(rows) // height)
    filtered = b"".join(b"\0" + rows[at : at + step] for at in range(0, len(rows), step))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    others = b"".join(chunk(name, content) for name, content in chunks)
    return b"\x89PNG\r\n\x1a\n" + header + others + chunk(b"IDAT", zlib.compress(filtered)) + chunk(b"IEND", b"")


def refusal(source: Any) -> str:
    with pytest.raises(InputError) as caught:
        decode(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(autouse=True)
def silent(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """No test of this file may make a reader warn or write, whatever it is given."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield
    assert [str(warning.message) for warning in warned] == []
    assert capfd.readouterr().err == ""


# ------------------------------------------------------------------------------------------------------- good pictures


@pytest.mark.parametrize(
    ("format_", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ],
)
def test_lossless_formats_give_the_pixels_back(format_: str, options: dict[str, object]) -> None:
    pixels = decode(encoded(SCENE, format_, **options))
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable
    np.testing.assert_array_equal(pixels, SCENE)


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"quality": 30}, {"subsampling": 0}, {"optimize": True}]
)
@pytest.mark.parametrize("size", [(37, 53), (1, 1), (8, 200)])
def test_jpeg_pixels_are_those_of_pillow_and_opencv(options: dict[str, object], size: tuple[int, int]) -> None:
    data = encoded(scene(*size), "JPEG", **options)
    pixels = decode(data)
    np.testing.assert_array_equal(pixels, np.asarray(Image.open(io.BytesIO(data))))
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(pixels, bgr[:, :, ::-1])


def test_a_large_picture_is_converted_in_bands_without_a_seam() -> None:
    large = np.tile(SCENE, (60, 50, 1))  # 5.9 million pixels, more than one band
    np.testing.assert_array_equal(decode(encoded(large, "PNG", compress_level=1)), large)
    grey16 = np.arange(2100 * 2100, dtype=np.uint32).astype(np.uint16).reshape(2100, 2100)
    np.testing.assert_array_equal(decode(encoded(grey16, "PNG", compress_level=1))[:, :, 1], grey16 >> 8)


def test_grey_is_repeated() -> None:
    grey = SCENE[:, :, 0]
    np.testing.assert_array_equal(decode(encoded(grey, "PNG")), np.repeat(grey[:, :, None], 3, axis=2))
    pixels = decode(encoded(grey, "JPEG", quality=95))
    assert np.array_equal(pixels[:, :, 0], pixels[:, :, 2])
    assert np.abs(pixels[:, :, 0].astype(int) - grey).max() < 12


def test_cmyk_keeps_its_colours() -> None:
    data = encoded(Image.fromarray(SCENE).convert("CMYK"), "JPEG", quality=95)
    assert np.abs(decode(data).astype(int) - SCENE).mean() < 6


def test_bilevel_is_black_and_white() -> None:
    pattern = np.indices((9, 13)).sum(axis=0) % 3 == 0
    for format_ in ("PNG", "TIFF", "BMP"):
        pixels = decode(encoded(Image.fromarray(pattern), format_))
        np.testing.assert_array_equal(pixels, np.where(pattern[:, :, None], 255, 0).repeat(3, axis=2))


RAMP = np.linspace(0, 65535, 120 * 160).round().astype(np.uint16).reshape(120, 160)


@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_16_bits_become_the_upper_8(extension: str) -> None:
    # written by OpenCV: grey, and colour with three different ramps
    grey = decode(cv2.imencode(extension, RAMP)[1].tobytes())
    assert abs(grey.mean() - 127.5) < 0.5
    np.testing.assert_array_equal(grey[:, :, 0], RAMP >> 8)
    colours = np.stack([RAMP, RAMP[::-1], RAMP.T.reshape(120, 160)], axis=2)
    bgr = np.ascontiguousarray(colours[:, :, ::-1])
    np.testing.assert_array_equal(decode(cv2.imencode(extension, bgr)[1].tobytes()), colours >> 8)


def tiff(values: np.ndarray, order: str, photometric: int, bits: int = 16) -> bytes:
    """An uncompressed grey TIFF written by hand, in either byte order; values of 16 or of 12 packed bits."""
    if bits == 12:
        packed = "".join(f"{value:012b}" for value in values.ravel())
        strip = bytes(int(packed[at : at + 8], 2) for at in range(0, len(packed), 8))
    else:
        strip = values.astype({"<": "<u2", ">": ">u2"}[order]).tobytes()
    height, width = values.shape
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: height, 279: len(strip)}
    directory = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = {"<": b"II*\0", ">": b"MM\0*"}[order]
    after = 8 + len(strip)
    return head + struct.pack(order + "I", after) + strip + struct.pack(order + "H", len(tags)) + directory + bytes(4)


def test_grey_tiffs_of_every_kind() -> None:
    for order in "<>":
        np.testing.assert_array_equal(decode(tiff(RAMP, order, 1))[:, :, 2], RAMP >> 8)
    np.testing.assert_array_equal(decode(tiff(RAMP, "<", 0))[:, :, 2], 255 - (RAMP >> 8))  # white is zero
    np.testing.assert_array_equal(decode(tiff(RAMP >> 4, "<", 1, bits=12))[:, :, 2], RAMP >> 8)


def test_numbers_without_a_range_are_refused() -> None:
    assert "8 or 16 bits" in refusal(encoded(Image.fromarray(np.ones((4, 5), np.float32)), "TIFF"))
    assert "8 or 16 bits" in refusal(encoded(Image.fromarray(np.ones((4, 5), np.int32)), "TIFF"))


# --------------------------------------------------------------------------------------------------------- transparency


def test_alpha_is_laid_over_white() -> None:
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0] = [[200, 40, 90, 0], [200, 40, 90, 255], [200, 40, 90, 51]]  # 51 of 255 is a fifth
    expected = [[255, 255, 255], [200, 40, 90], [244, 212, 222]]  # 255 - (255 - colour) / 5
    for format_, options in [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True, "exact": True})]:
        assert decode(encoded(rgba, format_, **options))[0].tolist() == expected


def test_grey_with_alpha() -> None:
    grey_alpha = np.array([[[100, 0], [100, 255], [100, 51]]], np.uint8)
    assert decode(encoded(grey_alpha, "PNG"))[0, :, 0].tolist() == [255, 100, 224]


@pytest.mark.parametrize("transparency", [0, bytes([0, 255, 51])])
def test_palette_with_transparency(transparency: int | bytes) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 40, 50, 60, 55, 105, 155])
    image.putdata([0, 1, 2])
    last = [55, 105, 155] if transparency == 0 else [215, 225, 235]
    assert decode(encoded(image, "PNG", transparency=transparency))[0].tolist() == [[255] * 3, [40, 50, 60], last]


def test_transparent_gif() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    assert decode(encoded(image, "GIF", transparency=0))[0].tolist() == [[255] * 3, [40, 50, 60]]


def test_one_transparent_colour_of_a_png_at_every_depth() -> None:
    # PNG 1.2, 4.2.9: the colour is given in the picture's own bit depth
    def grey(depth: int, rows: bytes, key: int) -> list[int]:
        return decode(png(2, 1, depth, 0, rows, (b"tRNS", struct.pack(">H", key))))[0, :, 0].tolist()

    assert grey(1, bytes([0b01_000000]), 0) == [255, 255]
    assert grey(2, bytes([0b01_10_0000]), 1) == [255, 170]
    assert grey(4, bytes([0x3C]), 3) == [255, 204]
    assert grey(8, bytes([7, 80]), 7) == [255, 80]
    assert grey(16, struct.pack(">HH", 5000, 5001), 5000) == [255, 5001 >> 8]
    rows = struct.pack(">6H", 0x1234, 0x5678, 0x9ABC, 0x4321, 0x8765, 0xCBA9)
    pixels = decode(png(2, 1, 16, 2, rows, (b"tRNS", struct.pack(">3H", 0x1234, 0x5678, 0x9ABC))))
    assert pixels[0].tolist() == [[255] * 3, [0x43, 0x87, 0xCB]]


@pytest.mark.parametrize("compression", [0, 3])
def test_a_bitmap_whose_alpha_is_0_everywhere_is_opaque(compression: int) -> None:
    """Windows' programs leave the fourth byte 0; with a mask for it in the header (3: V4) some readers believe it."""

    def bitmap(pixels: np.ndarray) -> bytes:
        height, width = pixels.shape[:2]
        masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(48) if compression else b""
        head = struct.pack("<IiiHHIIiiII", 40 + len(masks), width, -height, 1, 32, compression, 0, 0, 0, 0, 0)
        offset = 14 + len(head) + len(masks)
        return b"BM" + struct.pack("<IHHI", offset + pixels.size, 0, 0, offset) + head + masks + pixels.tobytes()

    bgra = np.dstack([SCENE[:, :, ::-1], np.zeros(SCENE.shape[:2], np.uint8)])
    np.testing.assert_array_equal(decode(bitmap(bgra)), SCENE)
    with Image.open(io.BytesIO(bitmap(bgra))) as opened:
        np.testing.assert_array_equal(decode(opened), SCENE)
    bgra[0, 0, 3] = 255  # one pixel that is not: now it is alpha, where the header says that there is one
    pixels = decode(bitmap(bgra))
    assert (pixels[1:] == (255 if compression else SCENE[1:])).all()
    assert (pixels[0, 0] == SCENE[0, 0]).all()


def test_a_transparent_picture_of_another_format_is_the_ground() -> None:
    for format_ in ("PNG", "WEBP", "TIFF"):
        assert (decode(encoded(np.zeros((3, 4, 4), np.uint8), format_)) == 255).all()


def test_an_icon_whose_alpha_is_0_everywhere_is_opaque() -> None:
    icon = io.BytesIO()
    Image.fromarray(np.dstack([SCENE[:32, :32], np.zeros((32, 32), np.uint8)])).save(icon, "ICO", sizes=[(32, 32)])
    with Image.open(icon) as opened:
        np.testing.assert_array_equal(decode(opened), SCENE[:32, :32])


# --------------------------------------------------------------------------------------------- metadata, missing ends


@pytest.mark.parametrize("after", [False, True])
def test_metadata_beyond_any_limit_leaves_the_pixels(after: bool) -> None:
    text = PngImagePlugin.PngInfo()
    text.add(b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(bytes(1_100_000)), after_idat=after)
    text.add(b"zTXt", b"prompt\0\0" + zlib.compress(bytes(1_100_000)), after_idat=after)
    for _ in range(2):
        text.add(b"tEXt", b"note\0" + b"x" * 33 * 2**20, after_idat=after)
    np.testing.assert_array_equal(decode(encoded(SCENE, "PNG", icc_profile=bytes(1_100_000), pnginfo=text)), SCENE)
    damaged = png(1, 1, 8, 0, b"\7", (b"zTXt", b"no end"), (b"iCCP", b""), (b"iTXt", b"\xff\xff"), (b"tEXt", b""))
    assert decode(damaged).tolist() == [[[7, 7, 7]]]


SAMSUNG = b"\0\0\1\nImage_UTC_Data1526900000000\xff\xcf\0\x08abcdefSEFHSEFT"


@pytest.mark.parametrize("tail", [b"", b"\xff", b"some text", SAMSUNG, b"\0" * 5000, b"\xff\xda\0\5abc"])
@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"mode": "L"}, {"mode": "CMYK"}, {"restart_marker_rows": 1}]
)
def test_a_jpeg_of_all_pixels_needs_no_end_marker(options: dict[str, object], tail: bytes) -> None:
    options = dict(options)
    data = encoded(Image.fromarray(SCENE).convert(str(options.pop("mode", "RGB"))), "JPEG", **options)
    np.testing.assert_array_equal(decode(data[:-2] + tail), decode(data))


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_is_cut_off_is_refused_wherever_it_is_cut(progressive: bool) -> None:
    data = encoded(SCENE, "JPEG", progressive=progressive)
    whole, read = decode(data), 0
    for end in range(3, len(data)):
        for tail in (b"", b"\xff\xcf\0\4ab"):
            try:
                pixels = decode(data[:end] + tail)
            except InputError:
                continue
            read += 1
            np.testing.assert_array_equal(pixels, whole)
            assert end >= len(data) - 3
    assert read >= 4


# ------------------------------------------------------------------------------------------- orientation, frames, names


def with_orientation(format_: str, orientation: int, **options: object) -> bytes:
    exif = Image.Exif()
    exif[274] = orientation
    return encoded(SCENE, format_, exif=exif, **options)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_is_turned_upright(orientation: int) -> None:
    # EXIF 2.3, 4.6.4: where the stored first row and first column belong
    turned = {
        1: SCENE,
        2: SCENE[:, ::-1],
        3: SCENE[::-1, ::-1],
        4: SCENE[::-1],
        5: SCENE.transpose(1, 0, 2),
        6: np.rot90(SCENE, -1),
        7: SCENE.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(SCENE),
    }[orientation]
    for format_, options in [
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ]:
        pixels = decode(with_orientation(format_, orientation, **options))
        np.testing.assert_array_equal(pixels, turned, err_msg=format_)
        assert pixels.flags.c_contiguous
    data = with_orientation("JPEG", orientation)
    np.testing.assert_array_equal(decode(data), np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data)))))


@given(
    st.sampled_from("<>"),
    st.integers(0, 15),
    st.integers(0, 4) | st.sampled_from([2**16, 2**32 - 1]),
    st.sampled_from("BHLbhlfd") | st.just("LL"),
    st.integers(0, 9),
    st.booleans(),
    st.integers(0, 3),
)
@settings(max_examples=400, deadline=None)
def test_orientation_of_any_type_is_what_pillow_obeys(
    order: str, kind: int, count: int, form: str, value: int, pointed: bool, lost: int
) -> None:
    content = struct.pack(order + form, value, *[1] * (len(form) - 1)).ljust(8, b"\0")
    where = struct.pack(f"{order}L", 38) if pointed else content[:4]
    entries = struct.pack(f"{order}HHLL", 271, 4, 1, 7) + struct.pack(f"{order}HHL", 274, kind, count) + where
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}LH", 8, 2)
    exif = b"Exif\0\0" + head + entries + bytes(4) + content + bytes(8 * 3 - lost)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stored = Image.Exif()
        try:
            stored.load(exif)
            theirs = stored.get(274, 1)
        except (OSError, struct.error, ZeroDivisionError, ValueError):
            theirs = 1
    assert orientation(exif) == (theirs if theirs in range(1, 9) else 1)


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"II",
        b"garbage!" * 5,
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x2a\0\0\0",  # orientation 42
        b"II*\0\x08\0\0\0\x02\0\x69\x87\x04\0\x01\0\0\0\xf0\0\0\0\x1a\x01\x05\0\x09\0\0\0\xf0\xff\0\0",
    ],
)
def test_damaged_exif_is_passed_over(exif: bytes) -> None:
    for format_, options in [("JPEG", {"quality": 90}), ("PNG", {}), ("WEBP", {})]:
        data = encoded(SCENE, format_, exif=b"Exif\0\0" + exif, **options)
        np.testing.assert_array_equal(decode(data), decode(encoded(SCENE, format_, **options)))


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_picture_of_several_is_read(format_: str) -> None:
    pictures = [Image.fromarray(np.full((6, 7, 3), level, np.uint8)) for level in (255, 0, 128)]
    options = {"lossless": True} if format_ == "WEBP" else {}
    data = encoded(pictures[0], format_, save_all=True, append_images=pictures[1:], **options)
    assert (decode(data) == 255).all()
    assert Image.open(io.BytesIO(data)).n_frames == 3


def test_content_counts_and_not_the_ending(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(encoded(SCENE, "PNG"))
    np.testing.assert_array_equal(decode(tmp_path / "photo.jpg"), SCENE)
    np.testing.assert_array_equal(decode(str(tmp_path / "photo.jpg")), SCENE)
    for other in (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"P6 1 1 255 abc", b"just text", b"\0" * 99):
        assert "not a JPEG, PNG, WebP, BMP, GIF or TIFF file" in refusal(other)


def test_what_follows_a_picture_is_left_alone() -> None:
    data = encoded(SCENE, "JPEG")
    np.testing.assert_array_equal(decode(data + b"some text" * 40), decode(data))
    film = b"\xff\xda" * 2_000_000  # as in a motion photo; not scans of this picture
    np.testing.assert_array_equal(decode(data + film), decode(data))


# ----------------------------------------------------------------------------------------------------------- bad files


FILES = {
    "jpeg": encoded(SCENE, "JPEG"),
    "progressive": encoded(SCENE, "JPEG", progressive=True),
    "png": encoded(SCENE, "PNG"),
    "animated png": encoded(SCENE, "PNG", save_all=True, append_images=[Image.fromarray(SCENE[::-1])]),
    "webp": encoded(SCENE, "WEBP"),
    "lossless webp": encoded(SCENE, "WEBP", lossless=True),
    "gif": encoded(SCENE, "GIF"),
    "bmp": encoded(SCENE, "BMP"),
    "tiff": encoded(SCENE, "TIFF"),
    "lzw": encoded(SCENE, "TIFF", compression="tiff_lzw"),
    "deflated tiff": encoded(SCENE, "TIFF", compression="tiff_adobe_deflate"),
    "tiff with jpeg": encoded(SCENE, "TIFF", compression="jpeg"),
}
WHOLE = {name: decode(data) for name, data in FILES.items()}


@given(st.sampled_from(sorted(FILES)), st.floats(0, 1, exclude_max=True))
@settings(max_examples=150, deadline=None)
def test_a_cut_file_gives_the_whole_picture_or_an_error(name: str, share: float) -> None:
    data = FILES[name]
    try:
        pixels = decode(data[: int(share * len(data))])
    except InputError:
        return
    assert share > 0.4, "most of the bytes are missing"
    np.testing.assert_array_equal(pixels, WHOLE[name])


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_cut_in_the_middle_of_its_pixels_is_an_error(name: str) -> None:
    data = FILES[name]
    assert "not a whole" in refusal(data[: len(data) // 3])


@given(st.sampled_from(sorted(FILES)), st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255))))
@settings(max_examples=300, deadline=None)
def test_changed_bytes_give_a_picture_or_an_error(name: str, changes: list[tuple[float, int]]) -> None:
    data = bytearray(FILES[name])
    for where, value in changes:
        data[int(where**3 * len(data))] = value  # headers more often than pixels
    try:
        pixels = decode(bytes(data))
    except InputError:
        return
    assert pixels.dtype == np.uint8
    assert pixels.shape[2] == 3


def test_changed_pixel_data_of_a_png_is_an_error() -> None:
    data = bytearray(FILES["png"])
    middle = len(data) // 2
    data[middle] ^= 0x40
    data[middle + 9] ^= 0x01
    assert "not a whole PNG" in refusal(bytes(data))


def test_damaged_tiffs_say_nothing_beside_the_error() -> None:
    for name in ("lzw", "deflated tiff", "tiff with jpeg"):
        data = bytearray(FILES[name])
        data[20:400] = b"\xff\0" * 190
        assert "not a whole TIFF" in refusal(bytes(data))


def test_empty_and_unreadable_sources(tmp_path: Path) -> None:
    assert "empty" in refusal(b"")
    (tmp_path / "empty.jpg").touch()
    assert str(tmp_path / "empty.jpg") in refusal(tmp_path / "empty.jpg")
    assert "No such file" in refusal(tmp_path / "missing.jpg")
    assert "a folder" in refusal(tmp_path)
    assert "null" in refusal("a\0b.jpg")
    assert refusal(tmp_path / "two\nlines\x1b[31m.jpg").count("\\n") == 1
    with pytest.raises(InputError, match=r"^member 7: the file is empty"):
        decode(b"", name="member 7")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_and_devices_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert "pipe or device" in refusal(tmp_path / "pipe.jpg")
    assert "pipe or device" in refusal("/dev/zero")


def test_denied_permission_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "secret.png").write_bytes(FILES["png"])
    monkeypatch.setattr(Path, "open", denied)
    assert "Permission denied" in refusal(tmp_path / "secret.png")


def test_a_file_above_the_byte_limit_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.bmp").open("wb") as file:
        file.write(b"BM")
        file.truncate(content.MAXIMUM_BYTES + 1)
    assert "256 MiB" in refusal(tmp_path / "huge.bmp")


# ---------------------------------------------------------------------------------------------------- memory and time


def segments(count: int) -> bytes:
    return FILES["jpeg"][:2] + b"\xff\xfe\0\2" * count + FILES["jpeg"][2:]


def many_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is there again and again; each pass costs time for all pixels."""
    data = encoded(np.zeros((1000, 1000), np.uint8), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * count + data[-2:]


def overlapping_tiff(count: int) -> bytes:
    """A TIFF directory of many fields, all of which point to the same large piece of the file."""
    fields = b"".join(struct.pack("<HHII", 40000 + tag, 1, 1_000_000, 8) for tag in range(count))
    size = struct.pack("<HHII", 256, 4, 1, 5) + struct.pack("<HHII", 257, 4, 1, 5)
    return b"II*\0" + struct.pack("<I", 1_000_008) + bytes(1_000_000) + struct.pack("<H", count + 2) + size + fields


def bombs() -> dict[str, bytes]:
    side = struct.pack("<H", 65535)
    frame = b"!\xf9\x04\x08\0\0\0\0" + b",\0\0\0\0" + side + side + b"\0"  # disposal 2: the reader fills the area
    jpeg = bytearray(FILES["jpeg"])
    start = jpeg.index(b"\xff\xc0")
    jpeg[start + 5 : start + 9] = b"\xff\xdc" * 2
    bmp = bytearray(FILES["bmp"])
    bmp[18:26] = struct.pack("<II", 60000, 60000)
    tile = tiff(RAMP[:4, :4], "<", 1)
    count = struct.unpack("<H", tile[40:42])[0]
    tiles = struct.pack("<HHII", 322, 4, 1, 2**17) + struct.pack("<HHII", 323, 4, 1, 2**17)
    return {
        "declares 50000 x 50000": png(50000, 50000, 8, 2, b""),
        "declares 16777216 x 16777216": b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0" + b"\xff" * 6,
        "declares 16384 x 16384": b"RIFF\x16\0\0\0WEBPVP8L\x0a\0\0\0\x2f\xff\xff\xff\x0f" + bytes(5),
        "declares 16383 x 16383": b"RIFF\x16\0\0\0WEBPVP8 \x0a\0\0\0\0\0\0\x9d\x01\x2a\xff\x3f\xff\x3f",
        "declares 65535 x 65535": b"GIF89a\x05\0\x05\0\0\0\0" + frame,
        "declares 65500 x 65500": bytes(jpeg),
        "declares 60000 x 60000": bytes(bmp),
        "declares 131072 x 131072": tile[:40] + struct.pack("<H", count + 2) + tile[42:-4] + tiles + bytes(4),
        "declares 0 x 5": b"GIF89a\0\0\x05\0\0\0\0" + b",\0\0\0\0\0\0\5\0\0",
        "too many scans": many_scans(3000),
        "too many parts": segments(400_000),
        "": overlapping_tiff(20_000),  # what the reader says first depends on its version
    }


SUBPROCESS = """
import re, resource, sys, time
from pathlib import Path
from googlenet.errors import InputError
from googlenet.images.decoding import decode

def kibibytes(name):  # ru_maxrss would begin with what the parent process had
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

before = kibibytes("VmHWM")
resource.setrlimit(resource.RLIMIT_AS, (kibibytes("VmSize") * 1024 + (1 << 30),) * 2)
started = time.process_time()
try:
    print("decoded", decode(sys.argv[1]).shape)
except InputError as error:
    print(error)
print(time.process_time() - started)
print((kibibytes("VmHWM") - before) / 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell the peak of its memory")
def test_bombs_are_refused_in_little_memory_and_time(tmp_path: Path) -> None:
    for number, (reason, data) in enumerate(bombs().items()):
        path = tmp_path / f"bomb{number}"
        path.write_bytes(data)
        done = subprocess.run([sys.executable, "-c", SUBPROCESS, path], capture_output=True, text=True, timeout=120)
        assert done.stderr == "", (reason, done.stderr)
        told, seconds, mebibytes = done.stdout.splitlines()
        assert told.startswith(f"{path}: "), told
        assert reason in told
        assert float(mebibytes) < 100, (told, mebibytes)
        assert float(seconds) < 10, (told, seconds)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell the peak of its memory")
def test_metadata_that_unpacks_without_end_is_passed_over(tmp_path: Path) -> None:
    endless = zlib.compress(bytes(10**8))
    chunks = [(b"iCCP", b"a\0\0" + endless), (b"zTXt", b"a\0\0" + endless), (b"iTXt", b"a\0\1\0\0\0" + endless)] * 10
    (tmp_path / "a.png").write_bytes(png(1, 1, 8, 0, b"\0", *chunks))
    command = [sys.executable, "-c", SUBPROCESS, tmp_path / "a.png"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    told, seconds, mebibytes = done.stdout.splitlines()
    assert told == "decoded (1, 1, 3)"
    assert float(mebibytes) < 50
    assert float(seconds) < 5


def test_open_picture_takes_no_memory_for_pixels() -> None:
    picture = open_picture(png(9000, 9000, 8, 2, b""))
    assert (picture.width, picture.height) == (9000, 9000)
    with pytest.raises(InputError, match="not a whole PNG"):
        picture.pixels()


def test_nothing_of_the_process_is_changed() -> None:
    code = """
import io, logging, warnings
import cv2, numpy
from PIL import Image, ImageFile, TiffImagePlugin
def state():
    return (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS, warnings.filters[:], warnings.showwarning,
            TiffImagePlugin.logger.disabled, logging.getLogger("PIL").handlers, TiffImagePlugin.READ_LIBTIFF)
before = state()
from googlenet.images.decoding import decode
file = io.BytesIO()
Image.new("RGB", (5, 5)).save(file, "TIFF", compression="tiff_lzw")
decode(file.getvalue())
assert state() == before, (state(), before)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# ----------------------------------------------------------------------------------------------------- large pictures


def test_a_photograph_of_108_megapixels_is_decoded_at_half_its_size() -> None:
    data = encoded(Image.new("L", (12000, 9000), 90), "JPEG", quality=20)
    done = open_picture(data).decoded()
    assert (done.width, done.height, done.scale, done.pixels.shape) == (12000, 9000, 2, (4500, 6000, 3))
    assert np.abs(done.pixels.astype(int) - 90).max() < 3


def test_other_formats_above_the_limit_say_what_to_do() -> None:
    assert "save it as JPEG, which is read up to 250, or make it smaller" in refusal(png(12000, 9000, 8, 2, b""))
    assert refusal(png(50000, 50000, 8, 2, b"")).endswith("above the limit of 100 megapixels; make it smaller")


EXIF_6 = b"Exif\0\0MM\0*" + struct.pack(">LHHHLHH", 8, 1, 274, 3, 1, 6, 0) + bytes(4)


@pytest.mark.parametrize("size", [(1200, 900), (1201, 903), (700, 1999)])
@pytest.mark.parametrize("geometry", ["squash", "short-side", "centre-square"])
@pytest.mark.parametrize("antialias", [False, True])
def test_what_a_network_sees_of_half_the_size_is_what_it_sees_of_the_whole(
    size: tuple[int, int], geometry: str, antialias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a photograph, whose detail is coarser than the pixels of such a camera: to 1.5 levels of 255 in the mean.

    Edges lie within a pixel of the stored picture; here that is a quarter of one that the network sees, and a fortieth
    in a picture of 12000 x 9000.
    """
    height, width = size
    for options in ({"quality": 95}, {"quality": 95, "progressive": True, "exif": EXIF_6}):
        data = encoded(cv2.resize(scene(height // 8, width // 8), (width, height)), "JPEG", **options)
        pixels = Pixels(resize=Resize(size=256, geometry=geometry, antialias=antialias))
        full = decode(data)
        with monkeypatch.context() as limits:
            limits.setattr(decoding, "MAXIMUM_PIXELS", width * height - 1)
            half = open_picture(data).decoded()
        assert (half.height, half.width) == full.shape[:2]
        assert half.pixels.shape == (-(-half.height // 2), -(-half.width // 2), 3)
        seen = [prepare(image, pixels, (224, 224)).astype(float) for image in (full, half.pixels)]
        assert np.abs(seen[0] - seen[1]).mean() < 1.5
        assert np.percentile(np.abs(seen[0] - seen[1]), 99) < 6
        shifted = np.abs(np.roll(seen[0], 2, axis=1) - seen[1]).mean()  # two pixels further would be far worse
        assert np.abs(seen[0] - seen[1]).mean() < shifted / 2


# ---------------------------------------------------------------------------------------------------- other sources


def test_bytes_open_files_and_pillows_pictures_are_the_file(tmp_path: Path) -> None:
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
        assert np.array_equal(decode(bytearray(data)), WHOLE[name])
        assert np.array_equal(decode(memoryview(data)), WHOLE[name])
        assert np.array_equal(decode(io.BytesIO(data)), WHOLE[name])
        with (tmp_path / name).open("rb", buffering=0) as file:
            assert np.array_equal(decode(file), WHOLE[name])
        with Image.open(tmp_path / name) as image:
            assert np.array_equal(decode(image), WHOLE[name]), name
    turned = with_orientation("JPEG", 6)
    with Image.open(io.BytesIO(turned)) as image:
        assert np.array_equal(decode(image), decode(turned))
    assert np.array_equal(decode(Image.fromarray(SCENE)), SCENE)


class Trickle(io.RawIOBase):
    """A connection that gives a few bytes at a time, and never ends where `size` is None."""

    def __init__(self, data: bytes, endless: bool = False) -> None:
        self.rest, self.endless, self.given = data, endless, 0

    def read(self, size: int = -1, /) -> bytes:
        piece, self.rest = (bytes(min(size, 2**24)), b"") if self.endless else (self.rest[:700], self.rest[700:])
        self.given += len(piece)
        return piece


def test_open_files_are_read_whole_and_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert np.array_equal(decode(Trickle(FILES["png"])), WHOLE["png"])
    monkeypatch.setattr(content, "MAXIMUM_BYTES", 2**25)
    endless = Trickle(b"", endless=True)
    assert "above the limit" in refusal(endless)
    assert endless.given <= 2**25 + 1
    assert "above the limit" in refusal(bytearray(2**25 + 1))


def test_sources_that_are_no_pictures_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(FILES["png"][:300])
    with (tmp_path / "a.png").open("rb") as file:
        assert refusal(file).startswith(f"{tmp_path / 'a.png'}: not a whole PNG")
    assert "open it anew" in refusal(file)
    assert "mode 'rb'" in refusal(io.StringIO("text"))
    assert "NoneType is no picture" in refusal(None)
    with Image.open(tmp_path / "a.png") as image:
        assert refusal(image).startswith(f"{tmp_path / 'a.png'}: not a whole PNG")
    assert "32-bit numbers" in refusal(Image.new("F", (3, 4)))
    assert "no picture in it" in refusal(Image.new("RGB", (0, 4)))
    assert "save it as JPEG" in refusal(Image.new("1", (12000, 9000)))


# -------------------------------------------------------------------------------------------- files from outside


def test_bad_and_unusual_files(shared: Path) -> None:
    """The 28 files with their facts in `expected.csv`, and what their README says of each."""
    folder = shared / "data/broken-images"
    rows = list(csv.DictReader((folder / "expected.csv").read_text().splitlines()))
    assert len(rows) == 28
    pictures = {}
    for row in rows:
        path = folder / row["file"]
        if row["decodable"] == "no":
            assert refusal(path).startswith(f"{path}: ")
            continue
        pictures[row["file"]] = pixels = decode(path)
        stored = (int(row["height"]), int(row["width"]))
        assert pixels.shape[:2] == (stored[::-1] if row["file"] == "exif-rotated.jpg" else stored)
    reference = pictures["exif-reference.jpg"].astype(int)
    assert np.abs(pictures["cmyk.jpg"] - reference).mean() < 6
    assert np.abs(pictures["exif-rotated.jpg"] - reference).mean() < 1  # coded anew after turning
    assert np.abs(pictures["progressive.jpg"] - reference).max() == 0
    assert np.abs(pictures["trailing-garbage.jpg"] - reference).max() == 0
    assert np.abs(pictures["jpeg-named.png"] - reference).max() == 0
    np.testing.assert_array_equal(pictures["png-named.jpg"], pictures["plain.bmp"])
    grey = pictures["gray.jpg"]
    assert (grey == grey[:, :, :1]).all()
    assert pictures["gray16.png"].mean() == pytest.approx(127.5, abs=0.5)
    assert pictures["rgb16.png"].mean(axis=(0, 1)) == pytest.approx([127, 127, 127], abs=1)
    assert (pictures["bilevel.png"] == 255).all()
    opaque_left = Image.open(folder / "rgba.png").convert("RGB")  # its alpha ramp runs from 255 to 0, the other's back
    np.testing.assert_array_equal(pictures["rgba.png"][:, 0], np.asarray(opaque_left)[:, 0])
    assert (pictures["rgba.png"][:, -1] == 255).all()
    assert (pictures["gray-alpha.png"][:, 0] == 255).all()
    opaque_right = Image.open(folder / "gray-alpha.png").convert("RGB")
    np.testing.assert_array_equal(pictures["gray-alpha.png"][:, -1], np.asarray(opaque_right)[:, -1])
    assert pictures["one-pixel.png"].shape == (1, 1, 3)


def test_a_hundred_photographs_digit_for_digit(shared: Path) -> None:
    folder = shared / "data/imagenet-val-100"
    rows = list(csv.DictReader((folder / "reference_pixels.tsv").read_text().splitlines(), delimiter="\t"))
    assert len(rows) == 100
    for row in rows:
        digits = hashlib.sha256(decode(folder / row["file"]).tobytes()).hexdigest()[:16]
        assert digits == row["decoded_opencv"] == row["decoded_pillow"], row["file"]
