"""Transforms: the loader's own pixels under a seed, fresh ones without, on whatever stands for a picture."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from googlenet.errors import InputError
from googlenet.images import crops, photometric
from googlenet.images.crops import SCHEMES, Sampling
from googlenet.images.transforms import PhotometricDistortion, RandomResizedCrop
from googlenet.randomness import generator

PIXELS = generator(1, "picture").integers(0, 256, (60, 80, 3), np.uint8)
CROP, DISTORTION = RandomResizedCrop((20, 24)), PhotometricDistortion()


def test_with_a_seed_they_do_what_training_does():
    crop = crops.sample(80, 60, SCHEMES["paper"], generator(5, "crop", 2, 7))
    expected = crops.apply(PIXELS, crop, (20, 24))
    cut = CROP(PIXELS, seed=5, epoch=2, index=7)
    assert np.array_equal(cut, expected)
    distortion = photometric.sample("howard", generator(5, "distortion", 2, 7))
    assert np.array_equal(DISTORTION(cut, seed=5, epoch=2, index=7), photometric.apply(expected, distortion))


def test_a_pillow_picture_gives_a_pillow_picture_of_the_same_pixels():
    picture = Image.fromarray(PIXELS)
    for transform in (CROP, DISTORTION):
        found = transform(picture, seed=3)
        assert isinstance(found, Image.Image)
        assert found.mode == "RGB"
        assert np.array_equal(np.asarray(found), transform(PIXELS, seed=3))


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "LA", "1"])
def test_other_modes_become_rgb(mode):
    picture = Image.fromarray(PIXELS).convert(mode)
    assert PhotometricDistortion("none")(picture).mode == "RGB"
    assert CROP(picture).size == (24, 20)


def test_a_picture_is_turned_upright_before_it_is_cut():
    exif = Image.Exif()
    exif[274] = 6  # stored lying on its left side
    picture = Image.fromarray(PIXELS)
    picture.info["exif"] = exif.tobytes()
    upright = PhotometricDistortion("none")(picture)
    assert np.array_equal(np.asarray(upright), np.rot90(PIXELS, -1))


def test_without_a_seed_they_draw_from_torchs_generator():
    torch.manual_seed(11)
    first, second = CROP(PIXELS), CROP(PIXELS)
    assert not np.array_equal(first, second)
    torch.manual_seed(11)
    assert np.array_equal(CROP(PIXELS), first)


def test_they_compose_and_travel():
    def compose(*transforms):  # what torchvision's `Compose` does
        def run(picture):
            for transform in transforms:
                picture = transform(picture)
            return picture

        return run

    torch.manual_seed(2)
    found = compose(RandomResizedCrop(32, "larger"), PhotometricDistortion("inception"), np.asarray)(
        Image.fromarray(PIXELS)
    )
    assert found.shape == (32, 32, 3)
    again = pickle.loads(pickle.dumps((CROP, DISTORTION)))
    assert again == (CROP, DISTORTION)
    assert repr(CROP) == "RandomResizedCrop(size=(20, 24), sampling='paper')"


def test_a_sampling_of_ones_own():
    whole = RandomResizedCrop(60, Sampling(law="whole", mirror=False, interpolations=("nearest",)))
    assert np.array_equal(whole(PIXELS[:, :60]), PIXELS[:, :60])


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="sampling 'all' is not known; there are paper"):
        RandomResizedCrop(224, "all")
    with pytest.raises(InputError, match="size 0: give at least 1 pixel"):
        RandomResizedCrop(0)
    with pytest.raises(InputError, match="distortion 'sepia' is not known; there are howard"):
        PhotometricDistortion("sepia")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"found float32 \[60, 80, 3\]"):
        CROP(PIXELS.astype(np.float32))
    with pytest.raises(InputError, match="a picture is Pillow's or an array, found str"):
        CROP("dog.jpg")  # type: ignore[type-var]


@pytest.mark.parametrize("content", ["short", "range"])
def test_a_picture_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / f"{content}.png"
    if content == "range":
        picture = Image.new("F", (9, 9))
        picture.filename = str(path)
        reason = "its 32-bit numbers have no fixed black and white"
    else:
        Image.fromarray(PIXELS).save(path)
        path.write_bytes(path.read_bytes()[:2000])
        picture, reason = Image.open(path), "not a whole PNG file"
    with pytest.raises(InputError, match=rf"{content}\.png: {reason}"):
        CROP(picture)
