"""A head of boxes in the specification: to and from JSON, what it costs, what is refused, every engine."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from googlenet.errors import InputError
from googlenet.inference.predictor import Predictor
from googlenet.network import zoo
from googlenet.network.cost import cost
from googlenet.network.graph import expand
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.specification import Classifier, MultiBox, Specification
from googlenet.prediction.loading import load
from googlenet.weights import checkpoint
from googlenet.weights.checkpoint import Checkpoint
from googlenet.weights.classes import numbered_classes
from googlenet.weights.creation import create

PRIORS = ((0.0, 0.0, 1.0, 1.0), (0.1, 0.2, 0.4, 0.9))


@pytest.fixture(scope="module")
def network() -> Network:
    made = Network(zoo.with_multibox(zoo.specification("googlenet-tiny", width=0.25), PRIORS))
    initialise(made)
    return made.eval()


def test_json_gives_the_same_specification_back():
    specification = zoo.with_multibox(zoo.specification("googlenet"), PRIORS)
    assert specification.name == "googlenet-multibox"
    assert Specification.from_json(specification.to_json()) == specification
    assert json.loads(specification.to_json())["classifier"]["kind"] == "multibox"
    assert "kind" not in json.loads(zoo.specification("googlenet").to_json())["classifier"]


@pytest.mark.parametrize("name", zoo.list_networks())
def test_every_network_of_the_zoo_takes_boxes(name: str):
    boxes = zoo.with_multibox(zoo.specification(name), PRIORS)
    *body, convolution, _ = [node for node in expand(boxes) if not node.auxiliary]
    assert convolution.output[1:] == body[-1].output[1:] != (1, 1)  # it reads the whole grid
    own = expand(zoo.specification(name), auxiliary=False)[: len(body)]
    assert [node.name for node in own] == [node.name for node in body]
    with pytest.raises(InputError, match="its last row is no average pool or dropout"):
        zoo.with_multibox(boxes, PRIORS)


def test_its_cost_is_that_of_a_convolution_and_a_linear_layer():
    """200 boxes on GoogLeNet: 1024 x 128 weights over 7 x 7, and 6272 x 1000."""
    boxes = cost(zoo.with_multibox(zoo.specification("googlenet"), PRIORS * 100))
    classes = cost(zoo.specification("googlenet", classes=1))
    assert boxes.multiply_adds - (classes.multiply_adds - 1024) == 1024 * 128 * 49 + 6272 * 1000
    assert boxes.parameters - (classes.parameters - 1025) == 1024 * 128 + 128 + 6272 * 1000 + 1000


@pytest.mark.parametrize(
    ("priors", "complaint"),
    [
        ([], "classifier: outputs .five a prior. must be between 1 and 65536, found 0"),
        ([[0.5, 0, 0.5, 1]], r"prior 0: \[0.5, 0.0, 0.5, 1.0\] is no box"),
        ([[0, 0, 1, 1]] * 20000, "found 100000"),
        ([[0, 0, 1]], "expected 4 values, found 3"),
        ([["a", 0, 1, 1]], "expected a number"),
        ([[0, 0, 1e999, 1]], "expected a number"),
    ],
)
def test_what_are_no_boxes_is_refused(priors: list[list[object]], complaint: str):
    value = json.loads(zoo.with_multibox(zoo.specification("googlenet-tiny"), PRIORS).to_json())
    value["classifier"]["priors"] = priors
    with pytest.raises(InputError, match=complaint):
        Specification.from_json(json.dumps(value))


def test_an_unknown_kind_and_auxiliary_heads_are_refused():
    value = json.loads(zoo.with_multibox(zoo.specification("googlenet-tiny"), PRIORS).to_json())
    with pytest.raises(InputError, match="kind 'ssd' is none of multibox"):
        Specification.from_json(json.dumps(value | {"classifier": value["classifier"] | {"kind": "ssd"}}))
    heads = json.loads(zoo.specification("googlenet-tiny").to_json())["auxiliary"]
    with pytest.raises(InputError, match="a network of boxes has no auxiliary heads"):
        Specification.from_json(json.dumps(value | {"auxiliary": heads}))


def test_a_checkpoint_keeps_it_and_what_wants_classes_refuses_it(network: Network, tmp_path: Path):
    path = tmp_path / "boxes.safetensors"
    checkpoint.save(path, Checkpoint(network.specification, (), network.state_dict()))
    found = checkpoint.read(path)
    assert found.specification == network.specification
    assert found.classes == ()
    with pytest.raises(InputError, match=r"boxes\.safetensors: a network of boxes, which knows no classes"):
        load(path)
    with pytest.raises(InputError, match="3 classes are named for 0 outputs"):
        checkpoint.save(path, Checkpoint(network.specification, numbered_classes(3), network.state_dict()))
    tuned = create(pretrained=path, classes=4).specification
    assert tuned.classifier == Classifier(4)
    assert isinstance(network.specification.classifier, MultiBox)


@pytest.mark.parametrize("engine", ["native", "onnxruntime", "openvino"])
def test_every_engine_says_the_same(network: Network, engine: str):
    pictures = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)
    try:
        found = Predictor(network, engine=engine, device="cpu")(pictures)
    except InputError as error:
        pytest.skip(str(error))
    expected = Predictor(network, engine="torch", device="cpu")(pictures)
    assert expected.shape == (5, 10)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
