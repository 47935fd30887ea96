"""The kernels over random shapes, right and wrong, under the compiler's sanitizers; `make sanitize` takes longer."""

import importlib.util
from pathlib import Path

import pytest

specification = importlib.util.spec_from_file_location("sanitize", Path(__file__).with_name("sanitize.py"))
assert specification is not None
assert specification.loader is not None
sanitize = importlib.util.module_from_spec(specification)
specification.loader.exec_module(sanitize)


@pytest.mark.skipif(sanitize.compiler() is None, reason="no compiler here has the sanitizers")
def test_no_shape_makes_a_kernel_leave_its_memory() -> None:
    from googlenet import native

    level = native.levels()[-1]
    assert "computed" in sanitize.fuzz(level, rounds=150, seed=1)
