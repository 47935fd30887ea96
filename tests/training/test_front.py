"""Frozen rows on an engine: the values and gradients of the rows that are learnt are those of torch's modules."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import googlenet
from googlenet.data.dataset import Subset
from googlenet.data.digits import Digits
from googlenet.inference import engine
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.specification import Dropout
from googlenet.network.zoo import specification
from googlenet.training.checkpoints import load
from googlenet.training.exchange import Alone, Wish
from googlenet.training.execution import Execution, continued, find_execution
from googlenet.training.front import last_row
from googlenet.training.interruption import Interrupted
from googlenet.weights import checkpoint

STEM = ("conv1", "conv2")


def made(name: str, **options: float) -> Network:
    network = Network(specification(name, classes=5, **options))
    initialise(network, seed=3)
    return network.eval()


@pytest.mark.parametrize(
    ("frozen", "last"),
    [
        ((), None),
        (("conv2",), None),
        (("conv1",), "conv1"),
        (("conv1", "conv2"), "conv2"),
        (("conv1", "conv2", "inception_3b"), "conv2"),
        (("conv1", "conv2", "inception_3a", "inception_3b"), "inception_3b"),
        # auxiliary_4a reads 4a
        (("conv1", "conv2", "inception_3a", "inception_3b", "inception_4a", "inception_4b"), "inception_3b"),
    ],
)
def test_it_ends_before_what_is_learnt_and_before_what_a_head_reads(frozen: tuple[str, ...], last: str | None):
    assert last_row(made("googlenet", width=0.05), frozen) == last


def test_without_heads_and_before_dropout():
    every = [row.name for row in specification("googlenet").rows]
    network = Network(replace(specification("googlenet", width=0.05), auxiliary=()))
    assert last_row(network, every) == every[-2] != "inception_5b"
    assert isinstance(network.specification.rows[-1], Dropout)


@pytest.mark.parametrize(
    ("name", "rounding"), [("googlenet-tiny", 1e-4), ("googlenet-cifar", 1e-4), ("googlenet-bn", 0.02)]
)
def test_outputs_and_gradients_are_those_without_it(name: str, rounding: float):
    """The normalisation of small batches enlarges what is rounded."""
    network = made(name, width=0.1) if name != "googlenet-tiny" else made(name)
    size = network.specification.input[1]
    random = torch.Generator().manual_seed(0)
    images = torch.randint(256, (8, size, size, 3), dtype=torch.uint8, generator=random)
    mask = torch.zeros(8, size, size, dtype=torch.bool)
    mask[1, :, : size // 3] = True
    frozen = [row for row in network.row_names if row in STEM] or network.row_names[:1]
    for row in frozen:
        network.get_submodule(row).requires_grad_(False)
    found = []
    for front in ("", "native", "torch"):
        execution = Execution(front=front, joined=True)
        training = execution.fuse(execution.place(network), frozen=frozen)
        assert (training.front is None) == (front == "")
        if training.front is not None:
            expected = network.features(execution.prepare(network, images, mask), [frozen[-1]])[frozen[-1]]
            torch.testing.assert_close(training.front(images, mask), expected, rtol=1e-5, atol=1e-5 * expected.max())
        training.draw_masks(1, 2, torch.arange(8))
        network.zero_grad()
        outputs = execution.train(training, images, mask)
        sum(logits.logsumexp(1).sum() for logits in outputs.values()).backward()
        gradients = {key: value.grad for key, value in network.named_parameters() if value.requires_grad}
        assert all(value is not None for value in gradients.values())
        found.append({key: value.detach().clone() for key, value in (outputs | gradients).items()})
    for other in found[1:]:
        assert list(other) == list(found[0])
        for key, value in other.items():
            largest = float(found[0][key].abs().max())
            torch.testing.assert_close(value, found[0][key], rtol=0, atol=rounding * largest + 1e-7)


def test_it_is_for_frozen_rows_in_float32_on_the_cpu():
    network = made("googlenet-tiny")
    sizes = {"device": "cpu", "batch_size": 4, "images": 8}
    assert find_execution(network, precision="float32", **sizes)[0].front == ""
    execution, _ = find_execution(network, precision="float32", frozen=["conv1"], **sizes)
    assert execution.front in engine.ENGINES
    assert f"frozen rows by {execution.front}" in str(execution)
    assert find_execution(network, precision="bfloat16", frozen=["conv1"], **sizes)[0].front == ""
    told = continued(execution, network, precision="bfloat16", frozen=["conv1"], **sizes)
    assert (told[0].front, told[1]) == ("", "as told")


def test_without_the_recorded_engine_it_goes_on_by_torch(monkeypatch: pytest.MonkeyPatch):
    network = made("googlenet-tiny")
    sizes = {"device": "auto", "precision": "auto", "batch_size": 4, "images": 8, "frozen": ["conv1"]}
    recorded = Execution(front="torch", threads=1)
    assert continued(recorded, network, **sizes) == (recorded, "")
    monkeypatch.delitem(engine.ENGINES, "onnxruntime")
    elsewhere = replace(recorded, front="onnxruntime")
    assert continued(elsewhere, network, **sizes) == (recorded, "there is no engine onnxruntime here")


def test_a_run_that_was_interrupted_goes_on_to_the_same_bytes(tmp_path: Path):
    network = googlenet.create("googlenet-tiny", seed=4)
    classes = tuple(googlenet.Class(str(number), str(number)) for number in range(10))
    first = tmp_path / "first.safetensors"
    googlenet.save(first, googlenet.Checkpoint(network.specification, classes, network.state_dict()))
    recipe = googlenet.Recipe(
        epochs=1, batch_size=16, freeze=("conv1", "inception_3a"), auxiliary_weight=0.0, workers=0, averaging="none"
    )
    images = Subset(Digits("train"), range(80))

    class Stopping(Alone):
        steps = 0

        def agree(self, wish: Wish) -> Wish:
            self.steps += 1
            return wish | (Wish.STOP if self.steps == 2 else Wish.NOTHING)

    def trained(name: str, exchange: Alone | None = None) -> Mapping[str, torch.Tensor]:
        run = googlenet.train(images, recipe, pretrained=first, output=tmp_path / name, exchange=exchange)
        return checkpoint.read(run.weights).weights

    whole = trained("whole")
    with pytest.raises(Interrupted):
        trained("parts", Stopping())
    state = load(tmp_path / "parts")
    assert state is not None
    assert state.counters["execution"]["front"] in engine.ENGINES
    parts = trained("parts")
    for name, value in whole.items():
        assert torch.equal(value, parts[name])
        assert torch.equal(value, network.state_dict()[name]) == name.startswith(("conv1.", "inception_3a.")), name
