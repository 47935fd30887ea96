"""Calibration of networks whose right temperature is known."""

from pathlib import Path

import numpy as np
import pytest
import torch

import googlenet
from googlenet.data.dataset import Subset
from googlenet.data.digits import Digits
from googlenet.errors import InputError
from googlenet.evaluation.temperature import write_calibrated
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.zoo import specification
from googlenet.weights.checkpoint import Checkpoint, read, save
from googlenet.weights.classes import numbered_classes

FACTOR = 3.0


class Sampled(Subset):
    """Digits whose labels are drawn from what a network says of them: its temperature is 1, whatever it answers."""

    def __init__(self, images: int, weights: Path) -> None:
        super().__init__(Digits("train"), np.arange(images) % 1000)
        model = googlenet.load(weights, engine="torch")
        logits = np.concatenate(
            [
                np.log([p.probability for p in sorted(answer.predictions, key=lambda p: p.index)])[None]
                for answer in model.predict([self.read(i) for i in range(images)], top=10)
            ]
        )
        chance = np.random.default_rng(0).gumbel(size=logits.shape)
        self.labels = np.argmax(logits + chance, axis=1).astype(np.int32)
        self.truths = None

    def keys(self) -> list[str]:
        return [str(index) for index in range(len(self))]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("temperature") / "plain.safetensors"
    network = Network(specification("googlenet-tiny", classes=10))
    initialise(network, seed=3)
    with torch.no_grad():
        network.classifier.weight.mul_(6)
    save(path, Checkpoint(network.specification, numbered_classes(10), network.state_dict()))
    return path


def test_a_network_that_is_too_sure(weights: Path, tmp_path: Path):
    """The labels follow the plain network's probabilities; one with three times its logits needs temperature three."""
    plain = read(weights)
    hot = {name: value * FACTOR if name.startswith("classifier.") else value for name, value in plain.weights.items()}
    save(tmp_path / "hot.safetensors", Checkpoint(plain.specification, plain.classes, hot))
    found = write_calibrated(
        tmp_path / "hot.safetensors", Sampled(250, weights), tmp_path / "out.safetensors", engine="torch"
    )
    assert found == pytest.approx(FACTOR, rel=0.3)
    mended = read(tmp_path / "out.safetensors")
    torch.testing.assert_close(mended.weights["classifier.bias"], hot["classifier.bias"] / found)
    assert mended.provenance["calibration"]["images"] == 250
    assert all(torch.equal(mended.weights[n], hot[n]) for n in hot if not n.startswith("classifier."))


class Unread(Digits):
    """Digits of which none may be read."""

    def __init__(self) -> None:
        super().__init__("validation")

    def read(self, index: int) -> bytes:
        raise AssertionError("an image was read")


def test_what_is_refused(weights: Path, tmp_path: Path):
    split = Subset(Digits("validation"), range(30))
    with pytest.raises(InputError, match="fitted on other images than those that are reported"):
        write_calibrated(weights, split, tmp_path / "out.safetensors", reported=split, engine="torch")
    with pytest.raises(InputError, match="is a new file; give another name"):
        write_calibrated(weights, split, weights, engine="torch")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"folder: cannot be written \(it is a folder\)"):
        write_calibrated(weights, Unread(), tmp_path / "folder", engine="torch")
    with pytest.raises(InputError, match="images are too few"):
        write_calibrated(weights, Subset(Digits("validation"), range(3)), tmp_path / "out.safetensors", engine="torch")
    assert not (tmp_path / "out.safetensors").exists()
