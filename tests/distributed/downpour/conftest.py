"""Where the tests of this folder find what they share, and one Ray for all of them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # for `local_link`


@pytest.fixture(scope="session")
def ray_here() -> Iterator[None]:
    """A Ray of two processors, for all tests of a session; its start takes seconds."""
    from googlenet.distributed.downpour.cluster import connected
    from googlenet.distributed.downpour.options import Downpour

    pytest.importorskip("ray", reason="Ray is not installed: pip install 'googlenet[cluster]'")
    with connected(Downpour(replicas=4)):
        yield
