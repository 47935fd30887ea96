"""Cuts of networks: the least of all cuts, found by trying them all; memory and waiting worked out by hand."""

import itertools
from dataclasses import replace

import pytest

from googlenet.errors import InputError
from googlenet.network.cost import cost
from googlenet.network.specification import Classifier, Convolution, Dropout, Specification
from googlenet.network.stages import TOLERANCE, Cut, bubble, cut, in_flight, rows_of
from googlenet.network.zoo import specification

TINY = specification("googlenet-tiny", width=0.25)
GOOGLENET = specification("googlenet")


def all_cuts(rows: int, stages: int) -> list[list[slice]]:
    found = []
    for inner in itertools.combinations(range(1, rows), stages - 1):
        ends = (0, *inner, rows)
        found.append([slice(*both) for both in itertools.pairwise(ends)])
    return found


@pytest.mark.parametrize("stages", [1, 2, 3, 5])
@pytest.mark.parametrize("measured", [False, True])
def test_no_cut_has_a_cheaper_slowest_stage_and_of_those_none_sends_less(stages: int, measured: bool) -> None:
    names = rows_of(TINY)
    made_up = {name: float((7 * number) % 11 + 1) for number, name in enumerate(names)}
    found = cut(TINY, stages, made_up if measured else None)
    assert [name for stage in found.stages for name in stage.rows] == list(names)
    assert all(stage.rows for stage in found.stages)
    alone = [stage.cost for stage in cut(TINY, len(names), made_up if measured else None).stages]
    sent = [stage.sent_bytes for stage in cut(TINY, len(names)).stages]
    worst = {
        tuple(part.stop for part in parts): max(sum(alone[p]) for p in parts) for parts in all_cuts(len(names), stages)
    }
    allowed = {ends for ends, largest in worst.items() if largest <= min(worst.values()) * (1 + TOLERANCE)}
    ends = tuple(itertools.accumulate(len(stage.rows) for stage in found.stages))
    assert ends in allowed
    assert sum(sent[end - 1] for end in ends) == min(sum(sent[end - 1] for end in each) for each in allowed)


def test_nothing_is_lost_or_there_twice() -> None:
    whole, found = cost(GOOGLENET), cut(GOOGLENET, 4)
    assert sum(stage.parameters for stage in found.stages) == whole.parameters_with_auxiliary
    assert sum(stage.cost for stage in found.stages) == whole.multiply_adds_with_auxiliary
    assert [head for stage in found.stages for head in stage.heads] == ["auxiliary_4a", "auxiliary_4d"]
    before, after = itertools.tee(found.stages)
    next(after)
    assert all(one.sent_bytes == other.received_bytes for one, other in zip(before, after, strict=False))
    assert (found.stages[0].received_bytes, found.stages[-1].sent_bytes) == (0, 0)


def test_logits_of_a_head_go_along_from_its_stage_on() -> None:
    by_row = {stage.rows[0]: stage for stage in cut(GOOGLENET, len(rows_of(GOOGLENET))).stages}
    floats = {row: stage.received_bytes // 4 for row, stage in by_row.items()}
    assert floats["inception_4a"] == 480 * 14 * 14
    assert floats["inception_4b"] == 512 * 14 * 14 + 1000
    assert floats["inception_4e"] == 528 * 14 * 14 + 2000
    assert by_row["inception_4a"].heads == ("auxiliary_4a",)


def test_a_network_worked_out_by_hand() -> None:
    network = Specification(
        "two", (Convolution("conv", 8, 3, 2), Dropout("dropout", 0.5)), Classifier(10), input=(3, 8, 8)
    )
    first, second = cut(network, 2).stages
    assert (first.rows, second.rows) == (("conv",), ("dropout", "classifier"))
    maps = 4 * 8 * 4 * 4
    assert (first.parameters, second.parameters) == (8 * 27 + 8, 10 * 128 + 10)
    assert (first.cost, second.cost) == (8 * 27 * 16, 10 * 128)
    assert (first.sent_bytes, second.received_bytes, first.kept_bytes) == (maps, maps, 4 * 3 * 64 + maps)
    assert second.kept_bytes == 128 + 4 * 10
    found = Cut((first, second))
    assert found.balance == pytest.approx((3456 + 1280) / 2 / 3456)
    # 10 images in 4 parts are 3 each; the first stage keeps two of the parts at a time, the second one.
    assert found.memory_bytes(0, 10, 4) == 12 * 224 + 3 * (2 * first.kept_bytes + 4 * maps)
    assert found.memory_bytes(1, 10, 4) == 12 * 1290 + 3 * (second.kept_bytes + 4 * maps)
    assert found.memory_bytes(1, 10, 1) == 12 * 1290 + 10 * (second.kept_bytes + maps)


def test_waiting_and_what_is_under_way() -> None:
    assert bubble(4, 1) == 3 / 4
    assert bubble(4, 12) == 3 / 15
    assert bubble(1, 5) == 0
    assert [in_flight(stage, 4, 8) for stage in range(4)] == [4, 3, 2, 1]
    assert [in_flight(stage, 4, 3) for stage in range(4)] == [3, 3, 3, 3]


@pytest.mark.parametrize("stages", [0, -1, 99, 33])
def test_more_stages_than_rows_are_refused(stages: int) -> None:
    with pytest.raises(
        InputError, match=rf"^stages {stages}: \S+ has 1\d rows, the classifier among them; give 1 to 1\d$"
    ):
        cut(TINY, stages)


def test_costs_of_nothing_are_cut_all_the_same() -> None:
    rows = tuple(replace(Dropout("d", 0.5), name=f"d{number}") for number in range(5))
    network = Specification("flat", rows, Classifier(2), input=(3, 2, 2))
    assert len(cut(network, 6, dict.fromkeys(rows_of(network), 0.0)).stages) == 6
    assert cut(network, 6, dict.fromkeys(rows_of(network), 0.0)).balance == 1
