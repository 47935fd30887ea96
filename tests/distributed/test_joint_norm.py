"""Batch normalisation of several processes is that of one, however the images are shared: gradients, whole runs."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from company import in_processes
from shared_runs import logged, run
from small_runs import recipe, write_images

from googlenet.data.batch import Batch
from googlenet.distributed.joint_norm import JointNorm
from googlenet.distributed.synchronous import InStep
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.specification import Specification
from googlenet.network.zoo import specification
from googlenet.training.averaging import Average
from googlenet.training.exchange import Alone, Exchange
from googlenet.training.execution import Execution
from googlenet.training.loop_recipe import LoopRecipe
from googlenet.training.optimizer import SGD
from googlenet.training.recipe import complete
from googlenet.training.run import train
from googlenet.training.task import Classification
from googlenet.training.trainer import steps


def normalised() -> Specification:
    """googlenet-bn, both heads, narrow, for small pictures of three classes."""
    return specification("googlenet-bn", classes=3, width=0.125, size=(112, 112))


class InFloat64(Classification):
    """So exactly that nothing but a fault tells processes from one."""

    def outputs(self, part: Batch) -> Mapping[str, torch.Tensor]:
        self.draw_masks(part, part.indices)
        return self.network(part["images"].permute(0, 3, 1, 2).double() / 100 - 1)  # type: ignore[return-value]


def batch(indices: list[int], step: int) -> Batch:
    made = [torch.Generator().manual_seed(index) for index in indices]
    images = [torch.randint(256, (112, 112, 3), dtype=torch.uint8, generator=one) for one in made]
    arrays = {
        "images": torch.stack(images) if images else torch.empty(0, 112, 112, 3, dtype=torch.uint8),
        "labels": torch.tensor([index % 3 for index in indices], dtype=torch.int64),
    }
    return Batch(0, step, arrays, torch.tensor(indices, dtype=torch.int64))


SHARES = [([1, 2, 3], [4], [5, 6]), ([7], [], [8, 9, 10, 11]), ([], [], []), ([], [12, 13, 14], [])]
"""Images of three processes, step by step: unequal, some without any, one step without any at all."""

Learnt = tuple[list[float], dict[str, torch.Tensor], dict[str, torch.Tensor]]


def learn(exchange: Exchange, batches: list[Batch], parts: int = 1) -> Learnt:
    """Losses, the first gradients by name, and what the network holds in the end."""
    network = Network(normalised())
    initialise(network, seed=1)
    execution = Execution("cpu")
    training = execution.fuse(execution.place(network.double()))  # type: ignore[arg-type]
    exchange.join(training)
    task = InFloat64(training, execution, seed=0, steps_per_epoch=9, parts=parts)
    chosen: LoopRecipe = complete(recipe(epochs=3, rate=0.01, accumulate=parts), fresh_classifiers=False)
    optimizer = SGD([{"params": list(task.parameters.values())}], momentum=0.9, nesterov=False)
    losses, gradients = [], dict[str, torch.Tensor]()
    options = {"start": 0, "steps_per_epoch": 9, "name": str}
    for step in steps(
        task,
        optimizer,
        Average(torch.nn.Module(), "none"),
        iter(batches),
        chosen,
        exchange,
        **options,  # type: ignore[arg-type]
    ):
        losses.append(step.loss)
        if step.number == 1:
            gradients = {name: value.grad.clone() for name, value in task.parameters.items() if value.grad is not None}
    return losses, gradients, {name: value.detach().clone() for name, value in network.state_dict().items()}


def share(exchange: Exchange, shares: list[tuple[list[int], ...]], parts: int) -> Learnt:
    return learn(exchange, [batch(one[exchange.rank], step) for step, one in enumerate(shares)], parts)


def joint(shares: list[tuple[list[int], ...]]) -> list[Batch]:
    return [batch([index for some in one for index in some], step) for step, one in enumerate(shares)]


def expect_close(found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor], share: float) -> None:
    """Each tensor is as expected to `share` of its largest value."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        largest = float(value.abs().max())
        assert float((found[name] - value).abs().max()) <= share * largest + 1e-9, name


def test_unequal_and_empty_shares_are_the_joint_batch() -> None:
    losses, gradients, held = learn(Alone(), joint(SHARES))
    found = in_processes(3, share, SHARES, 1)
    for one in found:
        assert isinstance(one, tuple), one
        assert one[0] == pytest.approx(losses, rel=1e-5)
        expect_close(one[1], gradients, 1e-5)
        expect_close(one[2], held, 1e-2)  # the loss, of float32, has another last bit, which small batches magnify
        assert all(torch.equal(one[2][name], found[0][2][name]) for name in held), "all processes hold the same"


def test_parts_of_a_batch_are_gone_through_by_all_together() -> None:
    """In two parts; one process has an image for the first alone. The second step is one of equal shares."""
    shares = [([1, 2], [3]), ([4, 5], [6, 7])]
    together = [([1, 3], [2]), ([4, 6], [5, 7])]  # in whose order one process would cut the same parts
    losses, gradients, _ = learn(Alone(), joint([(first, second) for first, second in together]), 2)
    for one in in_processes(2, share, shares, 2):
        assert isinstance(one, tuple), one
        assert one[0] == pytest.approx(losses, rel=1e-5)
        expect_close(one[1], gradients, 1e-5)


def order(exchange: InStep) -> tuple[list[str], list[str]]:
    """In which the layers are computed, and in which they are taken to be."""
    network = Network(normalised())
    initialise(network, seed=1)
    training = Execution("cpu").fuse(network)
    exchange.join(training)
    names = {module: name for name, module in training.named_modules()}
    seen = list[str]()
    for module in training.modules():
        if isinstance(module, JointNorm):
            module.register_forward_hook(lambda module, *_: seen.append(names[module]))
    training.draw_masks(0, 0, torch.arange(2))
    training(torch.randn(2, 3, 112, 112))
    return seen, [names[norm] for norm in exchange._norms]


def test_layers_are_known_in_their_order() -> None:
    for seen, expected in in_processes(2, order):
        assert len(seen) > 50
        assert seen == expected


NORMALISED = recipe(network="googlenet-cifar", width=0.25, epochs=2, rate=1e-5, batch_size=8, burn_in=0.0)
"""At a rate at which rounding is not magnified from step to step, as batch normalisation does with small batches."""


def test_a_run_with_normalised_layers_is_that_of_one_process(tmp_path: Path) -> None:
    """Also the evaluation, of which each process does a part: 9 images by eights, and statistics of 3 batches."""
    data = write_images(tmp_path / "train"), write_images(tmp_path / "validation", each=3, seed=1)
    train(data[0], NORMALISED, validation=data[1], output=tmp_path / "one")
    first, second = in_processes(2, run, data, tmp_path / "two", NORMALISED)
    assert first == second, (first, second)
    assert logged(tmp_path / "two") == pytest.approx(logged(tmp_path / "one"), rel=1e-3)
    one, two = (json.loads((tmp_path / name / "summary.json").read_text())["evaluation"] for name in ("one", "two"))
    for weights in ("raw", "averaged"):
        assert two[weights]["images"] == one[weights]["images"] == 9
        assert two[weights]["loss"] == pytest.approx(one[weights]["loss"], rel=1e-3)
