"""Patches read from files are the pixels that decoding everything gives, and what is odd is decoded whole."""

import contextlib
import csv
import io
import re

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from googlenet.errors import InputError
from googlenet.images import decoding, regions
from googlenet.images.crops import SCHEMES, Crop, apply, sample
from googlenet.images.decoding import decode
from googlenet.images.regions import open_image
from googlenet.randomness import generator


def photograph(width: int, height: int, seed: int = 0) -> Image.Image:
    """Something with edges and colours on all scales."""
    random = generator(seed, "photograph")
    layers = [
        cv2.resize(random.integers(0, 256, (max(1, height // n), max(1, width // n), 3), np.uint8), (width, height))
        for n in (3, 9, 40)
    ]
    return Image.fromarray(np.mean(layers, axis=0).astype(np.uint8))


def jpeg(width: int = 150, height: int = 117, mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    photograph(width, height).convert(mode).save(file, "JPEG", **{"quality": 85} | options)
    return file.getvalue()


def exif_of(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


EXIF_6 = exif_of(6)


def is_read_in_parts(data: bytes) -> bool:
    return isinstance(open_image(data, "x.jpg"), regions._OneScanJpeg)


@pytest.mark.parametrize(
    "options",
    [
        {"subsampling": "4:4:4"},
        {"subsampling": "4:2:2"},
        {"subsampling": "4:2:0"},
        {"subsampling": "4:2:0", "restart_marker_rows": 1},
        {"mode": "L"},
        {"quality": 30, "comment": b"a comment", "optimize": True},
    ],
)
def test_patches_are_the_pixels_of_the_whole_picture(options):
    data = jpeg(**options)
    assert is_read_in_parts(data)
    whole, image = decode(data), open_image(data, "x.jpg")
    assert (image.width, image.height) == (150, 117)
    random = generator(1, "test")
    for scheme in ["paper"] * 40 + ["shift"] * 5 + ["none"]:
        crop = sample(150, 117, SCHEMES[scheme], random)
        size = (crop.height // 2 + 1, crop.width // 2 + 1)  # more than half: decoded at full size
        assert np.array_equal(image.patch(crop, size), apply(whole, crop, size)), crop


def test_every_lower_edge():
    data = jpeg(70, 80)
    whole, image = decode(data), open_image(data, "x.jpg")
    for bottom in range(1, 81):
        crop = Crop(3, max(0, bottom - 20), 60, bottom - max(0, bottom - 20), False, "nearest")
        size = (crop.height, crop.width)
        assert np.array_equal(image.patch(crop, size), apply(whole, crop, size)), bottom


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_a_large_patch_is_decoded_smaller_but_never_below_the_output(scale, monkeypatch):
    data = jpeg(803, 605)
    whole, image = decode(data), open_image(data, "x.jpg")
    asked = []
    decode_jpeg = regions.simplejpeg.decode_jpeg
    monkeypatch.setattr(
        regions.simplejpeg,
        "decode_jpeg",
        lambda *a, **o: (asked.append(o.get("min_factor", 1)), decode_jpeg(*a, **o))[1],
    )
    for crop in (Crop(13, 7, 560, 480, False, "area"), Crop(51, 34, 481, 322, True, "area")):
        size = (crop.height // scale, crop.width // scale)
        ours = image.patch(crop, size).astype(float)
        assert asked.pop() == scale
        edges = (round(v / scale) * scale for v in (crop.x0, crop.y0, crop.width, crop.height))
        theirs = apply(whole, Crop(*edges, crop.mirror, "area"), size).astype(float)
        # a patch that lay one pixel further would differ by far more
        assert np.abs(ours - theirs).mean() < min(3, 0.25 * np.abs(np.roll(ours, 1, axis=1) - theirs).mean())
        image.patch(crop, (size[0] + 1, size[1]))
        assert asked.pop() < scale


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_opencv_scales_alike(scale):
    """Another build of libjpeg-turbo, whole pictures at a fraction of their size."""
    data = jpeg(803, 605)
    flags = getattr(cv2, f"IMREAD_REDUCED_COLOR_{scale}")
    theirs = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), flags), cv2.COLOR_BGR2RGB)
    ours = open_image(data, "x.jpg")._rows(605, scale)
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_turned_photographs_are_upright(orientation, order):
    exif = Image.Exif()
    exif.endian = order
    exif[0x0112] = orientation
    data = jpeg(40, 24, exif=exif.tobytes())
    image, whole = open_image(data, "x.jpg"), decode(data)
    assert (image.height, image.width) == whole.shape[:2] == ((24, 40) if orientation < 5 else (40, 24))
    assert is_read_in_parts(data) == (orientation == 1)
    crop = Crop(2, 1, 20, 18, False, "nearest")
    assert np.array_equal(image.patch(crop, (18, 20)), whole[1:19, 2:22])


@pytest.mark.parametrize("options", [{"progressive": True}, {"mode": "CMYK"}])
def test_other_kinds_are_decoded_whole(options):
    data = jpeg(**options)
    assert not is_read_in_parts(data)
    crop = Crop(10, 10, 50, 50, False, "nearest")
    assert np.array_equal(open_image(data, "x.jpg").patch(crop, (50, 50)), decode(data)[10:60, 10:60])


def test_a_truncated_file_is_an_error_wherever_the_patch_lies():
    data = jpeg()
    for cut in (len(data) // 2, len(data) - 4, 200):
        with pytest.raises(InputError, match=r"x\.jpg: not a whole JPEG file"):
            open_image(data[:cut], "x.jpg").patch(Crop(0, 0, 10, 10, False, "area"), (10, 10))


def test_all_pixels_without_an_end_marker_are_the_picture():
    data = jpeg()
    whole, image = decode(data), open_image(data[:-2], "x.jpg")
    crop = Crop(10, 20, 50, 60, False, "nearest")
    assert np.array_equal(image.patch(crop, (60, 50)), whole[20:80, 10:60])


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"exif": EXIF_6}])
def test_patches_of_pictures_above_the_limit_are_those_of_half_the_size(options, monkeypatch):
    data = jpeg(803, 604, **options)
    whole = decode(data)
    height, width = whole.shape[:2]
    for limits in (regions, decoding):
        monkeypatch.setattr(limits, "MAXIMUM_PIXELS", 803 * 604 // 2)
    image = open_image(data, "x.jpg")
    assert (image.width, image.height) == (width, height)
    random = generator(1, "test")
    for _ in range(30):
        crop = sample(width, height, SCHEMES["paper"], random)
        edges = (round(v / 2) * 2 for v in (crop.x0, crop.y0, crop.width, crop.height))
        area = Crop(*edges, crop.mirror, "area")
        size = (crop.height // 3, crop.width // 3)
        ours, theirs = image.patch(area, size).astype(float), apply(whole, area, size).astype(float)
        # a patch that lay one pixel further would differ by far more
        assert np.abs(ours - theirs).mean() < min(3, 0.25 * np.abs(np.roll(ours, 1, axis=1) - theirs).mean()), crop
    for corner in (Crop(0, 0, 1, 1, False, "area"), Crop(width - 1, height - 1, 1, 1, False, "nearest")):
        assert image.patch(corner, (3, 3)).shape == (3, 3, 3)


def test_all_bad_and_unusual_files(shared):
    folder = shared / "data" / "broken-images"
    with (folder / "expected.csv").open() as file:
        rows = [(row["file"], row["decodable"] == "yes") for row in csv.DictReader(file)]
    assert len(rows) == 28
    for name, readable in rows:
        data = (folder / name).read_bytes()
        if not readable:
            with pytest.raises(InputError, match=re.escape(name)):
                open_image(data, name).patch(Crop(0, 0, 1, 1, False, "area"), (1, 1))
            continue
        whole, image = decode(data, name), open_image(data, name)
        assert (image.height, image.width) == whole.shape[:2]
        crop = sample(image.width, image.height, SCHEMES["paper"], generator(1, name))
        size = (crop.height, crop.width)
        assert np.array_equal(image.patch(crop, size), apply(whole, crop, size)), name


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_gives_a_picture_or_one_line_the_same_each_time(data):
    content = bytearray(jpeg(40, 36))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    results = []
    for _ in range(2):
        with contextlib.suppress(InputError):
            image = open_image(damaged, "x.jpg")
            assert image.width * image.height < 10**8
            crop = sample(image.width, image.height, SCHEMES["paper"], generator(1, "test"))
            results.append(image.patch(crop, (20, 20)).tobytes())
    assert len(results) in (0, 2)
    assert len(set(results)) <= 1


def test_photographs(shared):
    for number, path in enumerate(sorted((shared / "data" / "imagenet-val-100").glob("*.JPEG"))[:15]):
        data = path.read_bytes()
        whole, image = decode(data), open_image(data, path.name)
        crop = sample(image.width, image.height, SCHEMES["paper"], generator(1, "test", 0, number))
        size = (224, 224) if crop.width < 448 or crop.height < 448 else (400, 400)
        assert np.array_equal(image.patch(crop, size), apply(whole, crop, size)), path
