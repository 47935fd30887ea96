"""Whole runs of a region classifier: what is learnt, what stays of a run, and that it goes on to the bit."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from coloured import Coloured, objects, pretrained, recipe, region_data
from killing import context, kill
from safetensors import safe_open
from torch.nn.utils import parameters_to_vector

from googlenet.data.loader import Loader
from googlenet.detection.annotations import Objects
from googlenet.detection.boxes import as_boxes
from googlenet.detection.regions.crop import cut
from googlenet.detection.regions.dataset import RegionImages
from googlenet.detection.regions.recipe import RegionRecipe
from googlenet.detection.regions.sampler import read_draw
from googlenet.detection.regions.samples import FirstWindows
from googlenet.detection.regions.setup import RegionData, RegionSetup, check_data, prepare
from googlenet.detection.regions.training import train_regions
from googlenet.detection.regions.windows import write_windows
from googlenet.errors import InputError
from googlenet.images.decoding import decode
from googlenet.training.exchange import Alone, Wish
from googlenet.training.execution import Execution
from googlenet.training.interruption import Interrupted
from googlenet.weights import checkpoint


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrained(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("windows")


@pytest.fixture(scope="module")
def data(windows: Path) -> RegionData:
    return region_data(windows / "train", 6)


@pytest.fixture(scope="module")
def held_out(windows: Path) -> RegionData:
    return region_data(windows / "validation", 3, seed=1, with_objects=False)


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


def setup(data: RegionData, weights: Path, **options: object) -> RegionSetup:
    return prepare(data, recipe(**options), None, weights)


def first_batch(made: RegionSetup):  # type: ignore[no-untyped-def]
    return next(Loader(made.data, made.samples(), made.sampler(0, 1)).batches())


def test_a_sample_is_the_crop_of_its_window(data: RegionData, weights: Path):
    """The same pixels as the function that is used for detection cuts, mirrored every other time."""
    made = setup(data, weights)
    batch = first_batch(made)
    draws = made.sampler(0, 1).batch(0, 0).draws.tolist()
    mirrored = 0
    for place, (draw, index) in enumerate(zip(draws, batch.indices.tolist(), strict=True)):
        drawn, found = read_draw(draw, data.images.all_windows), data.images.windows(index)
        box = as_boxes(found.boxes[drawn.window])
        picture = decode(data.images.read(index), "picture")
        forms = [cut(picture, box, (32, 32), mirror=mirror) for mirror in (False, True)]
        pixels, inside = batch["images"][place].numpy(), batch["inside"][place].numpy()
        fitting = [(pixels == one.pixels[0]).all() and (inside == one.inside[0]).all() for one in forms]
        assert any(fitting)
        mirrored += fitting[1] and not fitting[0]
        assert batch["labels"][place] == found.labels[drawn.window]
    assert 0 < mirrored < len(draws)
    assert batch["labels"].bincount(minlength=3).tolist()[2] == 12


def test_training_and_evaluation_have_the_same_pixels(data: RegionData, weights: Path):
    made = setup(data, weights, mirror=False)
    batch = first_batch(made)
    for place, draw in enumerate(made.sampler(0, 1).batch(0, 0).draws.tolist()):
        index, window = draw % 6, read_draw(draw, data.images.all_windows).window
        whole = FirstWindows((32, 32), 10_000).make(data.images, index, 0, 0)
        assert (whole["images"][window] == batch["images"][place].numpy()).all()


def test_windows_of_one_picture_have_dropout_masks_of_their_own(data: RegionData, weights: Path):
    made = setup(data, weights)
    task = made.task(Execution().fuse(made.network), Execution(), 2)
    batch = first_batch(made)
    assert len(set(batch.indices.tolist())) < len(batch)
    seen: list[torch.Tensor] = []
    task.network.draw_masks = lambda seed, step, numbers: seen.append(numbers)  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="no masks were drawn"):
        task.compute(batch)
    assert len(set(seen[0].tolist())) == len(batch)


def test_a_batch_in_parts_gives_the_same_gradient(data: RegionData, weights: Path):
    found = []
    for parts in (1, 3):
        made = setup(data, weights, accumulate=parts)
        task = made.task(Execution().fuse(made.network), Execution(), 3)
        figures = task.compute(first_batch(made))
        assert figures["loss"].count == 16
        found.append((parameters_to_vector([p.grad for p in task.parameters.values()]), figures["loss"].mean))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-3, atol=1e-5)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-5)


def test_what_lies_outside_has_no_part_in_the_loss(data: RegionData, weights: Path):
    made = setup(data, weights)
    task = made.task(Execution().fuse(made.network), Execution(), 3)
    batch = first_batch(made)
    before = task.compute(batch)["loss"].mean
    from googlenet.detection.regions.task import mask_of

    mask = mask_of(batch)
    assert mask.any()
    batch["images"][mask] = 255
    assert task.compute(batch)["loss"].mean == before


def test_a_run_leaves_what_every_run_leaves(data: RegionData, held_out: RegionData, weights: Path, tmp_path: Path):
    more = {"validation": held_out, "pretrained": weights, "output": tmp_path / "run"}
    run = train_regions(data, recipe(), **more)  # type: ignore[arg-type]
    assert {path.name for path in run.folder.iterdir()} >= {
        *("recipe.json", "metrics.jsonl", "summary.json", "final.safetensors", "report.html", "curves.png"),
        *("state.safetensors", "data.txt.gz", "validation.txt.gz"),
    }
    summary = run.summary
    assert (summary["classes"], summary["images"], summary["steps"]) == (3, 6, 6)
    assert summary["windows"] == len(data.images.all_windows)
    found = summary["evaluation"][summary["weights"]]
    assert (found["images"], found["objects"]) == (3, 6)
    assert 0 <= found["mAP"] <= 1
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["event"] == "step"]
    assert [line["step"] for line in steps] == [1, 2, 3, 4, 5, 6]
    assert steps[0]["images"] == 16
    final = checkpoint.read(run.weights)
    assert [one.id for one in final.classes] == ["red", "green", "__background__"]
    assert final.provenance["source"] == "googlenet detector train"
    page = (run.folder / "report.html").read_text()
    assert "Average precision of each class" in page
    assert train_regions(data, recipe(), **more).summary == summary  # type: ignore[arg-type]


def test_colours_are_learnt(data: RegionData, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Of who knows no more than that a quarter are objects, of two classes, the loss is ln(8) / 4 + 3 ln(4/3) / 4."""
    chosen = recipe(epochs=15, rate=0.02, classifier_rate=1.0, evaluate_every=15, save_minutes=10, averaging="none")
    run = train_regions(data, chosen, validation=data, pretrained=weights, output=tmp_path)
    assert run.summary["evaluation"]["raw"]["loss"] < 0.6 < np.log(8) / 4 + 3 * np.log(4 / 3) / 4
    windows = chosen.batch_size * run.summary["steps"]  # of which a picture may have several in a step
    assert f"training: {windows:,} images in" in capsys.readouterr().err


def test_an_interrupted_run_goes_on_to_the_same_bytes(
    data: RegionData, held_out: RegionData, weights: Path, tmp_path: Path
):
    def run(name: str, exchange: Alone | None = None, workers: int = 0) -> None:
        more = {"validation": held_out, "pretrained": weights, "exchange": exchange}
        train_regions(data, recipe(workers=workers), output=tmp_path / name, **more)  # type: ignore[arg-type]

    run("at once")
    with pytest.raises(Interrupted):
        run("stopped", Stopping(4))
    run("stopped", workers=1)
    for name in ("state.safetensors", "final.safetensors"):
        assert tensors(tmp_path / "stopped" / name) == tensors(tmp_path / "at once" / name)
    one, other = (tmp_path / name / "metrics.jsonl" for name in ("at once", "stopped"))
    assert one.read_bytes() == other.read_bytes()


def in_a_process(windows: Path, weights: Path, folder: Path, chosen: RegionRecipe) -> None:
    import sys

    from googlenet.detection.regions.windows import open_windows

    torch.set_num_threads(1)
    found = open_windows(windows / "train")
    assert found
    with open("/dev/null", "w") as sys.stderr:  # noqa: PTH123
        data = RegionData("coloured", RegionImages(Coloured(6), found))
        train_regions(data, chosen, pretrained=weights, output=folder)


@pytest.mark.long
def test_a_killed_run_goes_on_to_the_same_bytes(windows: Path, data: RegionData, weights: Path, tmp_path: Path):
    for name, is_killed in (("whole", False), ("killed", True), ("killed", False)):
        process = context.Process(target=in_a_process, args=(windows, weights, tmp_path / name, recipe(epochs=4)))
        process.start()
        if is_killed:
            kill(process, tmp_path / name, 2, random.Random(0), in_save=False)
            assert not (tmp_path / name / "summary.json").exists()
        else:
            process.join(120)
            assert process.exitcode == 0
    assert tensors(tmp_path / "killed/final.safetensors") == tensors(tmp_path / "whole/final.safetensors")


def test_other_windows_and_other_options_are_refused_with_what_differs(data: RegionData, weights: Path, tmp_path: Path):
    train_regions(data, recipe(epochs=1), pretrained=weights, output=tmp_path / "run")
    with pytest.raises(InputError, match=r"another run \(auxiliary_weight 0.3, now 0.0\)"):
        train_regions(data, recipe(epochs=1, auxiliary_weight=0.0), pretrained=weights, output=tmp_path / "run")
    found = data.images.all_windows
    fewer = write_windows(tmp_path / "fewer", (found.of(n) for n in [0, 1, 2, 3, 4, 4]), 2, "")
    other = RegionData("coloured", RegionImages(data.images.annotated, fewer))
    with pytest.raises(InputError, match=r"another run \(windows "):
        train_regions(other, recipe(epochs=1), pretrained=weights, output=tmp_path / "run")


def test_pretrained_layers_are_kept_and_classifiers_start_fresh(data: RegionData, weights: Path, tmp_path: Path):
    made, before = setup(data, weights), checkpoint.read(weights)
    fresh = set(made.fresh)
    assert "classifier" in fresh
    own = made.network.state_dict()
    body = [name for name in own if name.rpartition(".")[0] not in fresh]
    assert len(body) > 20
    assert all((own[name] == before.weights[name]).all() for name in body)
    run = train_regions(data, recipe(epochs=1), pretrained=weights, output=tmp_path)
    assert setup(data, run.weights).fresh == ()


def test_batch_normalisation_has_statistics_of_windows(data: RegionData, held_out: RegionData, tmp_path: Path):
    """Of a network with them the averaged weights are judged with statistics of their own."""
    path = pretrained(tmp_path / "bn.safetensors", "googlenet-cifar")
    chosen = recipe(epochs=1, batch_size=8, auxiliary_weight=0.0, validation_boxes=5)
    run = train_regions(data, chosen, validation=held_out, pretrained=path, output=tmp_path / "run")
    assert set(run.summary["evaluation"]) == {"raw", "averaged"}
    assert np.isfinite(run.summary["evaluation"]["averaged"]["loss"])


@pytest.mark.parametrize(
    "marks", [{"difficult": True}, {"crowd": [True, True]}, {"difficult": [True, False], "crowd": [False, True]}]
)
def test_objects_of_which_none_counts_are_refused_before_anything_is_proposed(marks: dict[str, Any]) -> None:
    class Marked(Coloured):
        def objects(self, index: int) -> Objects:
            return objects(self._boxes[index], [0, 1], **marks)

    check_data(Coloured(2), Coloured(1))
    with pytest.raises(InputError, match="no object in 3 training images that is neither difficult nor a crowd"):
        check_data(Marked(3), Coloured(1))
    with pytest.raises(InputError, match="no object in 1 validation images"):
        check_data(Coloured(2), Marked(1))


def test_validation_must_fit(data: RegionData, held_out: RegionData, weights: Path):
    class Other(Coloured):
        def __init__(self, count: int) -> None:
            super().__init__(count)
            self.classes = self.classes[::-1]

    other = RegionData("other", RegionImages(Other(3), held_out.images.all_windows))
    with pytest.raises(InputError, match="the validation images have other classes, green, red"):
        prepare(data, recipe(), other, weights)
    with pytest.raises(InputError, match="give --validation images to judge by"):
        prepare(data, recipe(patience=2), None, weights)


def test_crops_of_another_size_keep_the_pretrained_weights(data: RegionData, weights: Path, tmp_path: Path):
    before = checkpoint.read(weights)
    setup = prepare(data, recipe(size=48), None, weights)
    assert setup.network.specification.input == (3, 48, 48)
    kept = {name: tensor for name, tensor in setup.network.state_dict().items() if "classifier" not in name}
    assert kept
    assert all(torch.equal(tensor, before.weights[name]) for name, tensor in kept.items())
    run = train_regions(data, recipe(size=48, epochs=1), pretrained=weights, output=tmp_path)
    assert checkpoint.read(run.folder / "final.safetensors").specification.input == (3, 48, 48)
    with pytest.raises(InputError, match="size 2"):
        prepare(data, recipe(size=2), None, weights)


def test_weights_of_boxes_are_refused(data: RegionData, tmp_path: Path):
    from googlenet.network import zoo
    from googlenet.network.module import Network
    from googlenet.weights.checkpoint import Checkpoint

    found = zoo.with_multibox(zoo.specification("googlenet-tiny"), ((0.1, 0.1, 0.9, 0.9),))
    checkpoint.save(tmp_path / "boxes.safetensors", Checkpoint(found, (), Network(found).state_dict()))
    with pytest.raises(InputError, match=r"boxes\.safetensors: a network of boxes, which knows no classes"):
        prepare(data, recipe(), None, tmp_path / "boxes.safetensors")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"batch_size": 3}, "batch_size 3: give at least 4"),
        ({"size": 0}, "size 0: give at least 1"),
        ({"validation_boxes": 0}, "validation_boxes 0"),
        ({"auxiliary_weight": -1}, "auxiliary_weight -1"),
        ({"rate": None}, "rate: give a value"),
    ],
)
def test_a_recipe_is_checked(options: dict[str, object], complaint: str):
    with pytest.raises(InputError, match=complaint):
        RegionRecipe(**options)  # type: ignore[arg-type]
