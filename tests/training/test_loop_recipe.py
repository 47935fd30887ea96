"""What every kind of run refuses: numbers out of their range, however many digits they have."""

from dataclasses import dataclass

import pytest

from googlenet.errors import InputError
from googlenet.training.loop_recipe import LARGEST, check_ranges
from googlenet.training.recipe import Recipe

MANY_DIGITS = 10**400
"""No float is as large."""


@pytest.mark.parametrize("name", ["seed", "batch_size", "epochs", "workers"])
def test_whole_numbers_of_many_digits_are_refused_in_a_short_line(name):
    with pytest.raises(InputError, match=f"^{name} 10*[.]{{3}}: give a number below 2\\^64$") as refused:
        Recipe(**{name: MANY_DIGITS})
    assert len(str(refused.value)) < 120
    with pytest.raises(InputError, match=f"^{name} -10*[.]{{3}}: give at least"):
        Recipe(**{name: -MANY_DIGITS})


def test_every_seed_that_there_is_passes():
    assert Recipe(seed=LARGEST).seed == 2**64 - 1


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 0.0, MANY_DIGITS])
def test_a_rate_is_a_finite_number_above_nothing(value):
    with pytest.raises(InputError, match=r"^rate .*: give a number"):
        Recipe(rate=value)


def test_what_is_over_its_most_is_refused():
    @dataclass
    class Options:
        length: float

    check_ranges(Options(5.0), least={"length": 0}, positive=(), most={"length": 5})
    with pytest.raises(InputError, match=r"^length 5\.1: give at most 5$"):
        check_ranges(Options(5.1), least={"length": 0}, positive=(), most={"length": 5})
