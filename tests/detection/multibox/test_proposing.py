"""Proposals of a MultiBox that has learnt something: the same boxes and confidences by every engine."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from shapes import Shapes, pretrained, recipe

from googlenet import native
from googlenet.data.loader import Loader
from googlenet.detection.multibox.proposing import Proposer
from googlenet.detection.multibox.setup import prepare
from googlenet.images.decoding import decode
from googlenet.training.execution import Execution
from googlenet.weights.checkpoint import Checkpoint

SIZES = ((48, 40), (40, 48), (32, 32), (1, 1), (7, 90), (200, 33))
"""Width and height of pictures, of one square or several."""


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """Thirty epochs of eight pictures."""
    weights = pretrained(tmp_path_factory.mktemp("weights") / "tiny.safetensors")
    made = prepare(("shapes", Shapes(8)), recipe(), None, weights)
    task = made.task(Execution().fuse(made.network), Execution(), 2)
    optimizer = torch.optim.SGD(list(task.parameters.values()), lr=0.001, momentum=0.9)
    for batch in Loader(made.data, made.samples(), made.sampler(0, 1)).batches(0, 0, 30):
        optimizer.zero_grad()
        task.compute(batch)
        torch.nn.utils.clip_grad_norm_(list(task.parameters.values()), 20.0)
        optimizer.step()
    return Checkpoint(made.network.specification, (), made.network.state_dict())


def pictures() -> Iterator[np.ndarray]:
    random = np.random.default_rng(0)
    yield from (random.integers(0, 256, (height, width, 3), np.uint8) for width, height in SIZES)
    yield from (decode(Shapes(4, seed=2).read(index)) for index in range(4))


@pytest.mark.skipif(native.library() is None, reason="there are no compiled kernels here")
def test_native_kernels_propose_what_torch_does(learnt: Checkpoint):
    torchs, natives = (
        list(Proposer(learnt, boxes=12, device="cpu", engine=engine).propose(pictures()))  # type: ignore[arg-type]
        for engine in ("torch", "native")
    )
    assert len(torchs) == len(natives) == len(SIZES) + 4
    for picture, expected, found in zip(pictures(), torchs, natives, strict=True):
        np.testing.assert_allclose(found.boxes, expected.boxes, rtol=0, atol=1e-5 * max(picture.shape))
        np.testing.assert_allclose(found.scores, expected.scores, rtol=0, atol=1e-5)


@pytest.mark.skipif(native.library() is None, reason="there are no compiled kernels here")
def test_native_kernels_say_of_squares_what_torch_does(learnt: Checkpoint):
    """Of the outputs themselves, in units of the head, a hundred times as fine as shares of the square."""
    squares = np.random.default_rng(1).integers(0, 256, (40, *learnt.specification.input[1:], 3), np.uint8)
    torchs, natives = (
        Proposer(learnt, device="cpu", engine=engine).predictor(squares)  # type: ignore[arg-type]
        for engine in ("torch", "native")
    )
    assert torchs.abs().max() > 1  # it has learnt to move its boxes
    assert (torchs - natives).abs().max() <= 1e-5 * torchs.abs().max()
