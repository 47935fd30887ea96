"""A GoogLeNet of an eighth of the width in place of the zoo's, so that foreign files are small and tests quick."""

import sys
from pathlib import Path

import pytest

from googlenet.network import zoo
from googlenet.network.specification import Specification

sys.path.insert(0, str(Path(__file__).parent))  # for `writers`, which the tests here share


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Specification:
    """Make the importers expect an eighth of the width, under the same names."""
    for name in ("googlenet", "googlenet-google", "googlenet-torchvision"):
        narrow = zoo.specification(name, width=0.125)
        monkeypatch.setitem(zoo.NETWORKS, name, lambda narrow=narrow: narrow)
    return zoo.specification("googlenet")
