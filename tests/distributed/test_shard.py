"""A shard's arithmetic: plain SGD by the digit, torch's Adagrad, staleness, what comes twice, what waits for others."""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from googlenet.distributed.shard import Push, Rule, Shard, Span
from googlenet.errors import InputError
from googlenet.training.averaging import Average
from googlenet.training.optimizer import SGD

STEPS = 7


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def rate(step: int) -> float:
    return 0.1 * 0.96**step


def pushed(shard: Shard, gradients: list[Tensor], version: Callable[[Shard], int] = lambda shard: shard.clock) -> Shard:
    for step, gradient in enumerate(gradients):
        shard.push(Push(gradient, rate(step), version(shard), step=step + 1))
    return shard


@pytest.mark.parametrize("nesterov", [False, True])
def test_one_replica_is_plain_sgd_by_the_digit_wherever_the_weights_are_cut(nesterov: bool) -> None:
    sizes, factors, decays = (37, 5, 64), (1.0, 2.0, 1.0), (2e-4, 0.0, 2e-4)
    weights, gradients = numbers(0, 106), [numbers(1 + step, 106) for step in range(STEPS)]
    parts = nn.ParameterList([nn.Parameter(part.clone()) for part in weights.split(sizes)])
    groups = [
        {"params": [part], "lr_mult": factor, "weight_decay": decay}
        for part, factor, decay in zip(parts, factors, decays, strict=True)
    ]
    plain, mean = SGD(groups, momentum=0.9, nesterov=nesterov), Average(parts, "polyak", begin=3)
    for step, gradient in enumerate(gradients):
        for part, one in zip(parts, gradient.split(sizes), strict=True):
            part.grad = one
        for group in plain.param_groups:
            group["lr"] = rate(step)
        plain.step()
        mean.update(step + 1)

    rule = Rule(nesterov=nesterov, averaging="polyak", average_begin=3)
    for cuts in ((0, 106), (0, 13, 40, 106)):
        found = []
        for begin, end in pairwise(cuts):
            edges = sorted({begin, end, *(edge for edge in (37, 42) if begin < edge < end)})
            kinds = [sum(first >= edge for edge in (37, 42)) for first in edges[:-1]]
            spans = [Span(b - a, factors[k], decays[k]) for (a, b), k in zip(pairwise(edges), kinds, strict=True)]
            shard = Shard(weights[begin:end].clone(), rule, spans)
            found.append(pushed(shard, [gradient[begin:end] for gradient in gradients]).state())
        assert [state.clock for state in found] == [STEPS] * len(found)
        assert [state.averaged for state in found] == [STEPS - 3] * len(found)
        whole = {name: torch.cat([state.tensors[name] for state in found]) for name in found[0].tensors}
        assert torch.equal(whole["weights"], torch.cat([part.detach() for part in parts]))
        assert torch.equal(whole["velocity"], torch.cat(list(plain.velocity.values())))
        assert torch.equal(whole["average"], torch.cat(list(mean.tensors.values())))


def test_adagrad_divides_by_the_root_of_all_squares_so_far() -> None:
    shard = Shard(torch.zeros(2), Rule(momentum=0.0, adagrad=True))
    shard.push(Push(torch.tensor([3.0, -12.0]), 0.1, 0))
    torch.testing.assert_close(shard.weights, torch.tensor([-0.1, 0.1]))
    shard.push(Push(torch.tensor([4.0, -5.0]), 0.1, 1))  # 3 4 5, 5 12 13
    torch.testing.assert_close(shard.weights, torch.tensor([-0.1 - 0.1 * 4 / 5, 0.1 + 0.1 * 5 / 13]))
    decayed = Shard(torch.tensor([2.0]), Rule(momentum=0.0, adagrad=True), [Span(1, decay=0.5)])
    decayed.push(Push(torch.tensor([3.0]), 0.1, 0))  # the decay is part of the gradient: 4 of a first 4
    decayed.push(Push(torch.tensor([2.05]), 0.1, 1))  # and 2.05 + 0.5 * 1.9 = 3
    torch.testing.assert_close(decayed.weights, torch.tensor([1.9 - 0.1 * 3 / 5]))


def test_a_stale_gradient_moves_by_a_part_where_the_rate_is_divided() -> None:
    for version, share in ((5, 1.0), (4, 1.0), (3, 0.5), (0, 0.2), (9, 1.0)):  # 9: the shard was lost and went back
        shard = Shard(torch.zeros(3), Rule(momentum=0.0, divide=True))
        shard.clock = 5
        taken = shard.push(Push(torch.ones(3), 0.5, version))
        assert taken == (6, max(0, 5 - version), "applied")
        torch.testing.assert_close(shard.weights, torch.full((3,), -0.5 * share))


def test_a_delay_is_compensated_by_how_far_the_weights_have_moved_since_that_replica_fetched() -> None:
    shard = Shard(torch.tensor([1.0, -2.0]), Rule(momentum=0.0, compensation=0.04))
    shard.fetch(0)
    shard.fetch(1)
    shard.push(Push(torch.tensor([3.0, 1.0]), 0.1, 0, replica=1))  # nothing has moved: plain
    torch.testing.assert_close(shard.weights, torch.tensor([0.7, -2.1]))
    shard.push(Push(torch.tensor([2.0, -5.0]), 0.1, 0, replica=0))
    # g + 0.04 g g (w - w0) = 2 + 0.04 * 4 * -0.3, -5 + 0.04 * 25 * -0.1
    torch.testing.assert_close(shard.weights, torch.tensor([0.7 - 0.1 * 1.952, -2.1 + 0.1 * 5.1]))


def test_a_push_that_comes_again_is_not_taken_again_even_after_a_return_to_a_kept_state() -> None:
    shard = Shard(torch.zeros(2), Rule(momentum=0.5))
    first, second = (Push(torch.ones(2), 0.1, 0, replica=3, number=number) for number in (1, 2))
    shard.push(first)
    kept = shard.state()
    assert [shard.push(one).fate for one in (first, second, second)] == ["repeated", "applied", "repeated"]
    after = shard.weights.clone()
    other = Shard(torch.zeros(2), Rule(momentum=0.5))
    other.restore(kept)
    assert [other.push(one).fate for one in (first, second)] == ["repeated", "applied"]
    assert torch.equal(other.weights, after)
    assert (other.clock, other.images) == (2, 2)
    other.forget(3)
    assert other.push(first).fate == "applied"  # another replica under the number


def test_the_first_of_a_version_move_together_by_their_mean_over_images_and_late_ones_are_dropped() -> None:
    shard = Shard(torch.zeros(1), Rule(momentum=0.0, together=2))
    assert shard.push(Push(torch.tensor([1.0]), 0.1, 0, images=3, replica=0)).fate == "waiting"
    assert shard.push(Push(torch.tensor([5.0]), 0.1, 0, images=1, replica=1)) == (1, 0, "applied")
    assert shard.push(Push(torch.tensor([100.0]), 0.1, 0, images=1, replica=2)) == (1, 1, "dropped")
    torch.testing.assert_close(shard.weights, torch.tensor([-0.1 * (3 * 1 + 5) / 4]))
    assert shard.push(Push(torch.tensor([7.0]), 0.1, 1)).fate == "waiting"
    other = Shard(torch.zeros(1), Rule(momentum=0.0, together=2))
    other.restore(shard.state())
    for one in (shard, other):
        one.wait_for(1)  # the other replica has ended
        torch.testing.assert_close(one.weights, torch.tensor([-0.2 - 0.7]))
        assert (one.clock, one.images) == (2, 5)
        one.flush()  # nothing waits
        assert one.clock == 2


def test_bfloat16_on_the_wire_moves_float32_weights() -> None:
    shard = Shard(torch.zeros(2), Rule(momentum=0.0))
    shard.push(Push(torch.tensor([1.0, 2.0], dtype=torch.bfloat16), 1e-3, 0))
    assert shard.weights.dtype == torch.float32
    torch.testing.assert_close(shard.weights, torch.tensor([-1e-3, -2e-3]))


def test_what_was_fetched_is_a_copy_with_its_version() -> None:
    shard = pushed(Shard(numbers(0, 4)), [numbers(1, 4)])
    fetched = shard.fetch()
    kept = fetched.weights.clone()
    pushed(shard, [numbers(2, 4)])
    assert fetched.version == 1
    assert torch.equal(fetched.weights, kept)
    assert not torch.equal(shard.weights, kept)


@pytest.mark.parametrize("wrong", [{"compensation": -1.0}, {"together": -1}, {"compensation": float("nan")}])
def test_rules_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="give a number of at least 0"):
        Rule(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("momentum", "delay", "limit"), [(0.0, 1, 1.0), (0.5, 2, 0.281), (0.9, 1, 0.1)])
def test_on_a_quadratic_with_a_fixed_delay_the_rate_is_stable_up_to_the_known_limit(
    momentum: float, delay: int, limit: float
) -> None:
    """Largest stable rate times curvature, from the roots of the recursion's polynomial; each weight has its own."""
    curvature = torch.tensor([0.93 * limit, 1.07 * limit], dtype=torch.float64)
    shard = Shard(torch.ones(2, dtype=torch.float64), Rule(momentum=momentum))
    fetched = [shard.fetch() for _ in range(delay + 1)]
    swings = []
    for _ in range(600):
        weights, version = fetched.pop(0)
        shard.push(Push(curvature * weights, 1.0, version))
        fetched.append(shard.fetch())
        swings.append(shard.weights.abs())
    early, late = (torch.stack(part).amax(0) for part in (swings[100:300], swings[400:]))
    assert late[0] < early[0]
    assert late[1] > early[1]
