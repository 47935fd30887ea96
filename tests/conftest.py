"""Fixtures that more than one folder of tests uses."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # for `chromium` and `page_checks`

from chromium import Chromium

pytest.register_assert_rewrite("page_checks")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of third-party weights and data that lies beside a developer's checkout."""
    folder = Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("third-party weights and data are not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """A headless Chromium, of Debian's package `chromium`."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no chromium here to look at pages with; on Debian: apt-get install chromium")
    with Chromium(program, tmp_path_factory.mktemp("chromium")) as running:
        yield running
