"""The sheet of views: colours and places that follow from margins (12), frames (4) and tiles of 176."""

from pathlib import Path

import numpy as np
from PIL import Image

from googlenet.evaluation.protocol import Protocol
from googlenet.evaluation.views_sheet import draw_views
from googlenet.network.specification import Pixels, Resize

BLACK, BLUE = (20, 20, 20), (0, 114, 178)


def test_the_map_shows_where_a_square_and_its_corner_lie(tmp_path: Path) -> None:
    image = np.full((88, 176, 3), (200, 100, 60), np.uint8)
    protocol = Protocol("p", (448,), ("end",), ("whole", "top-left"))
    draw_views(tmp_path / "x.png", image, protocol, (224, 224), Pixels(resize=Resize(size=224)))
    with Image.open(tmp_path / "x.png") as sheet:
        assert sheet.width == 3 * (184 + 12) + 12
        # the map fills 16..191 across; of the image 88..175 is the right square, its corner 88..131 by 0..43
        top = 16 + (176 - 88) // 2
        at = {name: sheet.getpixel((16 + x, top + y)) for name, (x, y) in _POINTS.items()}
        frames = [sheet.getpixel((12 + column * 196, 12)) for column in (1, 2)]
    assert at["left of the square"] == tuple(round(255 + (v - 255) * 90 / 255) for v in (200, 100, 60))
    assert at["inside"] == (200, 100, 60)
    assert at["the square's edge"] == at["its far corner"] == BLACK
    assert at["the corner's edge"] == BLUE
    assert frames == [BLACK, BLUE]


_POINTS = {
    "left of the square": (80, 40),
    "inside": (150, 60),
    "the square's edge": (88, 60),
    "its far corner": (175, 87),
    "the corner's edge": (110, 41),  # drawn two pixels inside
}
