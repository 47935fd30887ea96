"""A GoogLeNet of an eighth of the width in place of the zoo's, so that foreign files are small and tests quick."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from googlenet.network import zoo
from googlenet.network.specification import Specification

sys.path.insert(0, str(Path(__file__).parent))  # for `writers` and `mutations`, which the tests here share


@pytest.fixture
def small() -> Iterator[Specification]:
    """Make the importers expect an eighth of the width, under the same names."""
    from mutations import narrow_zoo

    with narrow_zoo():
        yield zoo.specification("googlenet")
