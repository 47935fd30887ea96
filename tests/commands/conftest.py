"""A tiny trained-looking network and some pictures for the commands."""

import numpy as np
import pytest
from PIL import Image

from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.zoo import specification
from googlenet.weights.checkpoint import Checkpoint, save
from googlenet.weights.classes import Class


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    network = Network(specification("googlenet-tiny", classes=3))
    initialise(network, seed=2)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    classes = (Class("n1", "crane, bird"), Class("n2", "crane"), Class("cup", "cup"))
    save(path, Checkpoint(network.specification, classes, network.state_dict()))
    return path


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("a.png", "b c.jpg", "below/d.WEBP"):
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(folder / name)
    return folder


@pytest.fixture
def broken(pictures):
    (pictures / "broken.png").write_bytes((pictures / "a.png").read_bytes()[:300])
    return pictures
