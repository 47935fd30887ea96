"""Fixtures that more than one folder of tests uses."""

import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
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


@pytest.fixture
def full_disk() -> Callable[[int], AbstractContextManager[None]]:
    """As on a full disk, the system refuses to write more than so many bytes of a file."""

    @contextmanager
    def limit(most: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit
