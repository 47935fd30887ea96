"""The box filter: against the integral of the staircase, and its two forms against each other."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from googlenet import native
from googlenet.errors import InputError
from googlenet.images import area
from googlenet.images.area import resize_by_area
from googlenet.randomness import generator

FORMS = ["opencv", "native"] if native.library() else ["opencv"]


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GOOGLENET_FORMS", f"area-interpolation={request.param}")
    area.prepare.cache_clear()
    yield
    area.prepare.cache_clear()


def pixels(height: int, width: int) -> np.ndarray:
    return generator(0, "test").integers(0, 256, (height, width, 3), np.uint8)


def box_filter(patch: np.ndarray, height: int, width: int) -> np.ndarray:
    """The mean over each output pixel's footprint, by integrating the staircase exactly."""

    def weights(old: int, new: int) -> np.ndarray:
        edges = np.arange(new + 1) * old / new
        left, right = np.maximum(edges[:-1, None], np.arange(old)), np.minimum(edges[1:, None], np.arange(1, old + 1))
        return np.clip(right - left, 0, None) * new / old

    columns = np.tensordot(weights(patch.shape[0], height), patch.astype(float), 1)  # [height, w, 3]
    return np.matmul(weights(patch.shape[1], width), columns)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    old=st.tuples(st.integers(1, 300), st.integers(1, 300)), size=st.tuples(st.integers(1, 250), st.integers(1, 250))
)
def test_a_true_box_filter(form, old, size):
    patch = pixels(*old)
    assert resize_by_area(patch, *size).shape == (*size, 3)
    assert np.abs(resize_by_area(patch, *size) - box_filter(patch, *size)).max() < 1.5  # two roundings


@pytest.fixture(
    params=native.levels() if native.library() else [pytest.param("", marks=pytest.mark.skip("no kernels"))]
)
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each library that this processor runs."""
    library = native.load(request.param)
    monkeypatch.setattr(native, "library", lambda: library)


@pytest.mark.usefixtures("kernels")
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=st.tuples(st.integers(1, 400), st.integers(1, 400)), share=st.tuples(st.floats(0, 1), st.floats(0, 1)))
@example(old=(448, 448), share=(0.5, 0.5))  # whole factors
@example(old=(300, 400), share=(0.75, 0.56))
@example(old=(375, 224), share=(0.6, 1.0))  # one axis alone
@example(old=(300, 300), share=(0.0, 0.0))  # to a single pixel
def test_the_forms_are_equal_to_the_bit(old, share):
    size = tuple(max(1, round(length * part)) for length, part in zip(old, share, strict=True))
    image = pixels(old[0] + 3, old[1] + 5)
    window = image[1 : 1 + old[0], 2 : 2 + old[1]]  # rows with gaps
    for patch in (window, window[::-1], image[:0:-1, ::-1][: old[0], : old[1]]):
        expected = cv2.resize(patch, size[::-1], interpolation=cv2.INTER_AREA)
        assert np.array_equal(area._natively(patch, *size), expected)


def test_a_form_that_there_is_not(monkeypatch):
    monkeypatch.setenv("GOOGLENET_FORMS", "area-interpolation=faith")
    area.prepare.cache_clear()
    with pytest.raises(InputError, match="'faith' is no form of area-interpolation here"):
        area.prepare()
