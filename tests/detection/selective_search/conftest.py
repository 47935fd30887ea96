"""Pictures, and every form of the computation: each library that this processor runs, and none."""

from collections.abc import Callable

import numpy as np
import pytest

from googlenet import native
from googlenet.randomness import generator

FORMS = [*(native.levels() if native.library() is not None else ()), "none"]

Use = Callable[[str], None]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Have the named form compute."""

    def choose(form: str) -> None:
        library = None if form == "none" else native.load(form)
        monkeypatch.setattr(native, "library", lambda: library)

    return choose


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest, use: Use) -> str:
    use(request.param)
    return request.param


@pytest.fixture
def forms() -> list[str]:
    return FORMS


def draw(height: int, width: int, number: int, spots: int = 12) -> np.ndarray:
    """A picture of coloured rectangles over a slope, with noise: uint8 [height, width, 3]."""
    random = generator(0, "test", index=number)
    picture = np.linspace(0, 60, width)[None, :, None] + random.integers(0, 120, (height, 1, 3)) / 4
    picture = np.broadcast_to(picture, (height, width, 3)).copy()
    for _ in range(spots):
        y, x = random.integers(0, height), random.integers(0, width)
        h, w = random.integers(1, height // 2 + 2), random.integers(1, width // 2 + 2)
        picture[y : y + h, x : x + w] = random.integers(0, 256, 3)
    return np.clip(picture + random.integers(-6, 7, picture.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def picture() -> Callable[..., np.ndarray]:
    return draw
