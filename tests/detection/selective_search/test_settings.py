"""The published table, and settings as they are written and mended."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from googlenet.detection.selective_search import VERSIONS, Settings, parse_settings
from googlenet.errors import InputError


def test_the_versions_have_the_published_numbers_of_strategies():
    assert {name: version.strategies for name, version in VERSIONS.items()} == {"single": 1, "fast": 8, "quality": 80}


def test_doubled_superpixels_double_every_scale():
    assert Settings().scales == (50, 100)
    assert Settings(superpixels=2).scales == (100, 200)
    assert Settings("quality", superpixels=0.5).scales == (25, 50, 75, 150)


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("", Settings()),
        ("fast", Settings()),
        ("quality", Settings("quality")),
        ("superpixels=2", Settings(superpixels=2)),
        ("fast,superpixels=2,width=native", Settings(superpixels=2, width=None)),
        ("single,width=320,seed=7", Settings("single", width=320, seed=7)),
    ],
)
def test_what_the_command_line_says(text, settings):
    assert parse_settings(text) == settings


@given(
    version=st.sampled_from(list(VERSIONS)),
    superpixels=st.sampled_from([0.5, 1.0, 1.25, 2.0, 100.0]),
    width=st.none() | st.integers(20, 4096),
    seed=st.integers(0, 2**64 - 1),
)
def test_settings_are_read_as_they_are_written(version, superpixels, width, seed):
    settings = Settings(version, superpixels, width, seed)
    assert parse_settings(str(settings)) == settings


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("slow", "version 'slow' is not known; there are single, fast, quality"),
        ("fast,superpixel=2", "'superpixel=2' is no setting; there are version=..., superpixels=..."),
        ("fast,quality", "'quality' is no setting"),
        ("fast,width=", "'width=' is no setting"),
        ("fast,superpixels=two", "superpixels: 'two' is no number"),
        ("fast,superpixels=nan", "superpixels must be a number from 0.5 to 100, found nan"),
        ("fast,superpixels=0.1", "superpixels must be a number from 0.5 to 100"),
        ("fast,width=19", "width must be a whole number of at least 20, found 19"),
        ("fast,width=100000", "width must be at most 4096, found 100000"),
        ("fast,width=1e3", "width: '1e3' is no number"),
        ("fast,seed=-1", "seed must be a whole number of at least 0, found -1"),
        (f"fast,seed={2**64}", "seed must be below 2^64"),
        ("fast,seed=1,seed=2", "seed is there twice"),
        ("version=fast,version=single", "version is there twice"),
    ],
)
def test_what_is_no_setting_is_named(text, why):
    with pytest.raises(InputError) as raised:
        parse_settings(text)
    assert str(raised.value).startswith("Selective Search: ")
    assert why in str(raised.value)
