"""Whole runs of a MultiBox: what is learnt, what stays of a run, and that an interrupted one goes on to the bit."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from killing import context, kill
from safetensors import safe_open
from shapes import Shapes, pretrained, recipe
from torch.nn.utils import parameters_to_vector

from googlenet import native
from googlenet.data.batch import Batch
from googlenet.data.loader import Loader
from googlenet.detection.boxes import iou
from googlenet.detection.multibox.dataset import ObjectImages
from googlenet.detection.multibox.loss import boxes_of
from googlenet.detection.multibox.merging import merge
from googlenet.detection.multibox.proposing import Proposer, load
from googlenet.detection.multibox.recipe import MultiBoxRecipe
from googlenet.detection.multibox.setup import MultiBoxSetup, prepare
from googlenet.detection.multibox.squares import Square, cut, in_shares
from googlenet.detection.multibox.training import train_multibox
from googlenet.errors import InputError
from googlenet.images.decoding import decode
from googlenet.images.regions import whole_image
from googlenet.network.specification import MultiBox
from googlenet.training.exchange import Alone, Wish
from googlenet.training.execution import Execution
from googlenet.training.interruption import Interrupted
from googlenet.weights import checkpoint


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrained(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)


class Stopping(Alone):
    """Stops after some steps, as Ctrl-C does."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def agree(self, wish: Wish) -> Wish:
        self.left -= 1
        return wish | (Wish.STOP if self.left == 0 else Wish.NOTHING)


def tensors(path: Path) -> dict[str, bytes]:
    with safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118


def setup(weights: Path, count: int = 8, **options: object) -> MultiBoxSetup:
    return prepare(("shapes", Shapes(count)), recipe(**options), None, weights)


def test_eight_images_with_two_objects_each_are_learnt_to_recall_1_at_iou_0_7(weights: Path):
    shapes = Shapes(8, size=(40, 40))
    made = prepare(("shapes", shapes), recipe(), None, weights)
    task = made.task(Execution().fuse(made.network), Execution(), 1)
    square, size, head = Square(0, 0, 40), (32, 32), task.loss.head
    pictures = [whole_image(decode(shapes.read(index))) for index in range(8)]
    truths = [shapes.objects(index).boxes for index in range(8)]
    arrays = {
        "images": np.stack([cut(picture, square, size, (0, 0, 0)) for picture in pictures]),
        "boxes": np.concatenate([in_shares(boxes, square) for boxes in truths]),
        "boxes/counts": np.full(8, 2),
    }
    batch = Batch(0, 0, {name: torch.from_numpy(array) for name, array in arrays.items()}, torch.arange(8))
    optimizer = torch.optim.SGD(list(task.parameters.values()), lr=0.003, momentum=0.9)
    for _ in range(200):
        optimizer.zero_grad()
        figures = task.compute(batch)
        torch.nn.utils.clip_grad_norm_(list(task.parameters.values()), 20.0)
        optimizer.step()
    assert figures["losses/location"].mean < 1
    with torch.no_grad():
        outputs = Execution().evaluate(made.network.eval(), batch["images"])
    for row, boxes in zip(outputs, truths, strict=True):
        found = merge(row[None], head, [square], (40, 40), 2)  # as many as there are objects
        assert iou(boxes, found.boxes).max(1).min() >= 0.7


def gradients(task, batches) -> dict[str, float]:  # type: ignore[no-untyped-def]
    """The mean length of each loss's gradient on the last layer that both share, over batches."""
    shared = task.network.get_parameter("multibox.1x1.weight")
    lengths: dict[str, list[float]] = {"location": [], "confidence": []}
    for batch in batches:
        outputs = task.execution.train(task.network, batch["images"])["logits"]
        truths = [truth.numpy() for truth in batch["boxes"].split(batch["boxes/counts"].tolist())]
        found = task.loss(outputs, truths)
        for name, part in (("location", found.location), ("confidence", found.confidence)):
            (gradient,) = torch.autograd.grad(part.mean(), shared, retain_graph=True)
            lengths[name].append(float(gradient.norm()))
    return {name: float(np.mean(each)) for name, each in lengths.items()}


@pytest.mark.parametrize("steps", [80, pytest.param(1000, marks=pytest.mark.long)])
def test_both_losses_pull_the_shared_layers_alike(weights: Path, steps: int):
    """With places in shares of the square one would pull a hundredth as much as the other.

    There are about as many boxes for each object as in use, 200 for some.
    """
    made = setup(weights, boxes=60)
    task = made.task(Execution().fuse(made.network), Execution(), 2)
    loader = Loader(made.data, made.samples(), made.sampler(0, 1))
    others = list(loader.batches(900, 0, 905))
    optimizer = torch.optim.SGD(list(task.parameters.values()), lr=0.001, momentum=0.9)
    before = gradients(task, others)
    for batch in loader.batches(0, 0, steps // 2):
        optimizer.zero_grad()
        task.compute(batch)
        torch.nn.utils.clip_grad_norm_(list(task.parameters.values()), 20.0)
        optimizer.step()
    for found in (before, gradients(task, others)):
        assert 0.1 < found["location"] / found["confidence"] < 10, found


def test_a_batch_in_parts_gives_the_same_gradient(weights: Path):
    found = []
    for parts in (1, 3):
        made = setup(weights, accumulate=parts)
        task = made.task(Execution().fuse(made.network), Execution(), 2)
        (batch, *_) = Loader(made.data, made.samples(), made.sampler(0, 1)).batches()
        figures = task.compute(batch)
        assert figures["loss"].count == 4
        assert figures["overlap"].count == len(batch["boxes"])
        found.append((parameters_to_vector([p.grad for p in task.parameters.values()]), figures["loss"].mean))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-3, atol=1e-4)
    assert found[0][1] == pytest.approx(found[1][1])


def test_a_run_leaves_what_every_run_leaves(weights: Path, tmp_path: Path):
    run = train_multibox(Shapes(8), recipe(), validation=Shapes(3, seed=1), pretrained=weights, output=tmp_path / "run")
    assert {path.name for path in run.folder.iterdir()} >= {
        *("recipe.json", "metrics.jsonl", "summary.json", "final.safetensors", "report.html", "curves.png"),
        *("state.safetensors", "data.txt.gz", "validation.txt.gz"),
    }
    summary = run.summary
    assert (summary["boxes"], summary["objects"], summary["images"], summary["steps"]) == (12, 16, 8, 6)
    found = summary["evaluation"][summary["weights"]]
    assert (found["images"], found["objects"]) == (3, 6)
    assert 0 <= found["recall"] <= 1
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["event"] == "step"]
    assert [line["step"] for line in steps] == [1, 2, 3, 4, 5, 6]
    assert steps[0]["loss"] == pytest.approx(sum(steps[0]["losses"].values()), rel=1e-4)
    assert 0 < steps[0]["overlap"] < 1
    final = checkpoint.read(run.weights)
    assert isinstance(final.specification.classifier, MultiBox)
    assert final.provenance["source"] == "googlenet detector train-multibox"
    assert final.classes == ()
    page = (run.folder / "report.html").read_text()
    assert "Recall by the number of boxes" in page
    assert page.count("of 2 found") == 3
    again = train_multibox(Shapes(8), recipe(), validation=Shapes(3, seed=1), pretrained=weights, output=run.folder)
    assert again.summary == summary


def test_an_interrupted_run_goes_on_to_the_same_bytes(weights: Path, tmp_path: Path):
    def run(name: str, exchange: Alone | None = None, workers: int = 0) -> None:
        more = {"validation": Shapes(3, seed=1), "pretrained": weights, "exchange": exchange}
        train_multibox(Shapes(8), recipe(workers=workers), output=tmp_path / name, **more)  # type: ignore[arg-type]

    run("at once")
    with pytest.raises(Interrupted):
        run("stopped", Stopping(4))
    run("stopped", workers=2)
    for name in ("state.safetensors", "final.safetensors"):
        assert tensors(tmp_path / "stopped" / name) == tensors(tmp_path / "at once" / name)
    one, other = (tmp_path / name / "metrics.jsonl" for name in ("at once", "stopped"))
    assert one.read_bytes() == other.read_bytes()


def in_a_process(weights: Path, folder: Path, chosen: MultiBoxRecipe) -> None:
    import sys

    torch.set_num_threads(1)
    with open("/dev/null", "w") as sys.stderr:  # noqa: PTH123
        train_multibox(Shapes(8), chosen, pretrained=weights, output=folder)


def test_a_killed_run_goes_on_to_the_same_bytes(weights: Path, tmp_path: Path):
    for name, is_killed in (("whole", False), ("killed", True), ("killed", False)):
        process = context.Process(target=in_a_process, args=(weights, tmp_path / name, recipe(epochs=5)))
        process.start()
        if is_killed:
            kill(process, tmp_path / name, 2, random.Random(0), in_save=False)
            assert not (tmp_path / name / "summary.json").exists()
        else:
            process.join(120)
            assert process.exitcode == 0
    assert tensors(tmp_path / "killed/final.safetensors") == tensors(tmp_path / "whole/final.safetensors")
    assert (tmp_path / "killed/metrics.jsonl").read_bytes() == (tmp_path / "whole/metrics.jsonl").read_bytes()


def test_other_options_and_other_runs_are_refused_with_what_differs(weights: Path, tmp_path: Path):
    train_multibox(Shapes(8), recipe(epochs=1), pretrained=weights, output=tmp_path)
    with pytest.raises(InputError, match=r"another run \(location_weight 0.3, now 1.0\)"):
        train_multibox(Shapes(8), recipe(epochs=1, location_weight=1.0), pretrained=weights, output=tmp_path)
    with pytest.raises(InputError, match=r"another run \(data: image 1 was 0.png"):
        train_multibox(Shapes(8, seed=4), recipe(epochs=1), pretrained=weights, output=tmp_path)
    (tmp_path / "recipe.json").write_text('{"data": {}, "auxiliary_weight": 0.3}')
    with pytest.raises(InputError, match="of another kind of run, one with auxiliary_weight; give another output"):
        train_multibox(Shapes(8), recipe(epochs=1), pretrained=weights, output=tmp_path)


def test_the_weights_of_a_multibox_begin_another(weights: Path, tmp_path: Path):
    first = train_multibox(Shapes(8), recipe(epochs=1), pretrained=weights, output=tmp_path / "first")
    made = prepare(("shapes", Shapes(4, seed=9)), recipe(), None, first.weights)
    assert made.fresh == ()
    before = checkpoint.read(first.weights)
    assert made.network.specification == before.specification
    assert all((made.network.state_dict()[name] == value).all() for name, value in before.weights.items())
    with pytest.raises(InputError, match="boxes 13: the pretrained weights have 12; give as many"):
        prepare(("shapes", Shapes(4)), recipe(boxes=13), None, first.weights)


def test_pretrained_layers_are_kept_and_those_of_the_boxes_start_fresh(weights: Path):
    made, before = setup(weights), checkpoint.read(weights)
    assert made.fresh == ("multibox.1x1", "classifier")
    own = made.network.state_dict()
    body = [name for name in own if not name.startswith(("multibox", "classifier"))]
    assert len(body) > 20
    assert all((own[name] == before.weights[name]).all() for name in body)


def test_boxes_start_at_their_priors_as_sure_as_boxes_are_right(weights: Path):
    network = setup(weights).network.eval()
    head = network.specification.classifier
    with torch.no_grad():
        boxes, confidences = boxes_of(network(torch.randn(4, *network.specification.input)), head)
    assert float((boxes - torch.tensor(head.priors)).abs().max()) < head.unit
    assert 0.5 < float(confidences.sum(1).mean()) < 2.5  # the pictures have two objects, of which squares show some


def test_priors_are_the_same_each_time_and_others_of_another_seed(weights: Path):
    priors = [setup(weights, seed=seed).network.specification.classifier for seed in (0, 0, 1)]
    assert priors[0] == priors[1] != priors[2]


def test_pictures_without_an_object_cannot_be_learnt(weights: Path, tmp_path: Path):
    with pytest.raises(InputError, match="no object in 3 images; give a data set with annotated ones"):
        train_multibox(Shapes(3, each=0), recipe(), pretrained=weights, output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_patience_stops_by_recall(weights: Path, tmp_path: Path):
    chosen = recipe(epochs=9, patience=1, rate=1e-9)
    run = train_multibox(Shapes(4), chosen, validation=Shapes(2, seed=1), pretrained=weights, output=tmp_path)
    assert run.summary["epochs"] == 2
    assert (tmp_path / "best.safetensors").exists()


@pytest.mark.parametrize("engine", ["torch", "native"])
def test_many_pictures_of_any_size_are_as_each_alone(weights: Path, engine: str):
    made = setup(weights)
    found = checkpoint.Checkpoint(made.network.specification, (), made.network.state_dict())
    random = np.random.default_rng(0)
    sizes = ((40, 30), (1, 1), (7, 90), (64, 64), (33, 48))
    pictures = [random.integers(0, 256, (height, width, 3), np.uint8) for width, height in sizes]
    if engine == "native" and native.library() is None:
        pytest.skip("there are no compiled kernels here")
    proposer = Proposer(found, boxes=20, engine=engine)  # type: ignore[arg-type]
    together = list(proposer.propose(iter(pictures)))
    for picture, size, both in zip(pictures, sizes, together, strict=True):
        (alone,) = proposer.propose([picture])
        np.testing.assert_allclose(both.boxes, alone.boxes, atol=1e-3)
        assert len(both.boxes) <= 20
        assert (both.boxes.min(initial=0), (both.boxes.max(0, initial=0)[2:] <= size).all()) == (0, True)
        assert (np.diff(both.scores) <= 0).all()


def test_a_classifier_proposes_nothing(weights: Path):
    with pytest.raises(InputError, match="a network of classes, not of boxes; googlenet detector train-multibox"):
        load(weights)


def test_validation_judges_as_the_final_proposals_do(weights: Path, tmp_path: Path):
    """The recall in the summary is that of the saved weights, by the public way."""
    held_out = Shapes(5, seed=3)
    run = train_multibox(Shapes(8), recipe(), validation=held_out, pretrained=weights, output=tmp_path)
    proposer = load(run.weights, boxes=12, engine="torch")
    found = proposer.propose(decode(held_out.read(index)) for index in range(5))
    truths = ObjectImages(held_out)
    best = np.concatenate([iou(truths.required(i), boxes).max(1, initial=0) for i, (boxes, _) in enumerate(found)])
    assert run.summary["evaluation"][run.summary["weights"]]["recall"] == pytest.approx((best >= 0.5).mean())
