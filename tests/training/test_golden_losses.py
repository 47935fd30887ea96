"""Losses as they were: equal to the last digit where they were written, and to rounding on every other machine.

The last digits depend on the processor's instructions and on the libraries' versions (`golden.machine`). Elsewhere a
rounding error grows from step to step, so there the first epoch is compared, to a thousandth. The variances of a few
images make it grow a hundred times a step: of that run it is the first four steps.
"""

import json

import pytest
from golden import FILE, RUNS, machine, measure

GOLDEN = json.loads(FILE.read_text())


@pytest.mark.parametrize("name", RUNS)
def test_the_losses_are_what_they_were(name: str):
    expected, found = GOLDEN["runs"][name], measure(name)
    if GOLDEN["machine"] == machine():
        assert found == expected
        return
    for what in ("losses", "gradients", "evaluations"):
        assert len(found[what]) == len(expected[what])
    compared = {"losses": 6, "gradients": 3, "evaluations": 1}
    if name == "batch normalisation":
        compared = {"losses": 4, "gradients": 3}
    for what, count in compared.items():
        assert found[what][:count] == pytest.approx(expected[what][:count], rel=1e-3)


def test_the_runs_are_told_apart_and_their_losses_move():
    states = {run["state"] for run in GOLDEN["runs"].values()}
    assert len(states) == len(RUNS)
    for run in GOLDEN["runs"].values():
        assert len(set(run["losses"])) == len(run["losses"]) >= 6
