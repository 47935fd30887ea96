"""Whole runs of `train` on a few small images: what they leave behind, what they refuse, how they go on and stop."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from small_runs import CLASSES, recipe, write_images

from googlenet.errors import InputError
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.zoo import specification
from googlenet.reporting.progress import Progress
from googlenet.training import session, task
from googlenet.training.checkpoints import load
from googlenet.training.exchange import Alone, Wish
from googlenet.training.interruption import EndedAtOnce, Interrupted
from googlenet.training.recipe import Recipe
from googlenet.training.run import train
from googlenet.training.trainer import Diverged
from googlenet.weights import checkpoint as checkpoints
from googlenet.weights.checkpoint import Checkpoint, expected_tensors
from googlenet.weights.classes import Class, numbered_classes


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("images")
    return {
        "data": write_images(folder / "train"),
        "validation": write_images(folder / "validation", each=3, seed=1),
    }


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def finished(images: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    train(images["data"], recipe(), validation=images["validation"], output=folder)
    return folder


def records(folder: Path, event: str) -> list[dict]:  # type: ignore[type-arg]
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["event"] == event]


def weights(path: Path) -> dict[str, bytes]:
    with safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118


# What a run leaves.


def test_the_folder_holds_what_the_design_says(finished: Path):
    names = {path.name for path in finished.iterdir()}
    assert names >= {
        "recipe.json",
        "metrics.jsonl",
        "summary.json",
        "final.safetensors",
        "state.safetensors",
        "curves.png",
        "report.html",
    }
    assert json.loads((finished / "recipe.json").read_text())["epochs"] == 3
    with Image.open(finished / "curves.png") as picture:
        assert picture.format == "PNG"


def test_every_head_is_logged_raw_and_by_name(finished: Path):
    steps = records(finished, "step")
    assert [step["step"] for step in steps] == list(range(1, 19))
    for step in steps:
        assert set(step["losses"]) == set(step["top1"]) == {"main", "auxiliary_4a", "auxiliary_4d"}
        heads = sum(loss for head, loss in step["losses"].items() if head != "main")
        assert step["loss"] == pytest.approx(step["losses"]["main"] + 0.3 * heads, rel=1e-4)
        assert step["images"] == 4
        assert (4 * step["top1"]["main"]) % 1 == 0  # the batch's own, not a mean over steps


def test_both_sets_of_weights_are_evaluated_after_the_burn_in(finished: Path):
    found = [(line["epoch"], line["weights"]) for line in records(finished, "evaluation")]
    assert found == [(1, "raw"), (1, "averaged"), (2, "raw"), (2, "averaged"), (3, "raw"), (3, "averaged")]
    assert all(line["images"] == 9 and line["top5"] is None for line in records(finished, "evaluation"))


def test_the_final_weights_are_the_averaged_ones_and_say_so(finished: Path):
    final = checkpoints.read(finished / "final.safetensors")
    assert final.provenance["weights"] == "averaged"
    assert [item.id for item in final.classes] == list(CLASSES)
    state = load(finished)
    assert state is not None
    averages = state.part("average")
    assert averages.keys() == dict(Network(final.specification).named_parameters()).keys()
    assert all(torch.equal(final.weights[name], mean) for name, mean in averages.items())
    raw = state.part("network")
    assert any(not torch.equal(final.weights[name], raw[name]) for name in averages)


def test_polyaks_mean_is_the_mean_of_the_steps_after_the_burn_in(images: dict[str, Path], tmp_path: Path):
    seen = []

    class Watching(Alone):
        def apply(self, optimizer, rate):  # type: ignore[no-untyped-def]
            super().apply(optimizer, rate)
            seen.append(optimizer.parameters["classifier.weight"].detach().clone())

    run = train(images["data"], recipe(epochs=2, burn_in=0.5), output=tmp_path, exchange=Watching())
    assert len(seen) == 12
    expected = torch.stack(seen[6:]).double().mean(dim=0)
    final = checkpoints.read(run.weights).weights["classifier.weight"]
    torch.testing.assert_close(final.double(), expected, rtol=1e-5, atol=1e-7)


def test_the_report_is_one_file_with_what_people_look_for(finished: Path):
    page = (finished / "report.html").read_text()
    for wanted in (
        "Each class",
        "precision",
        "Confusion matrix",
        "beech",
        "worst mistakes",
        "batch_size",
        "torch",
        "Top-1",
        "data:image/png",
    ):
        assert wanted in page
    assert "http://" not in page
    assert "https://" not in page


def test_curves_begin_at_the_first_step_however_seldom_steps_are_logged(images: dict[str, Path], tmp_path: Path):
    train(images["data"], recipe(log_every=4, epochs=2), output=tmp_path)
    assert [line["step"] for line in records(tmp_path, "step")] == [1, 4, 8, 12]
    train(images["data"], recipe(log_every=50, epochs=1), output=tmp_path / "short")
    assert [line["step"] for line in records(tmp_path / "short", "step")] == [1]
    assert (tmp_path / "short/curves.png").exists()


def test_a_run_depends_on_its_seed_alone(images: dict[str, Path], finished: Path, tmp_path: Path):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    for name, seed in (("same", 0), ("other", 1)):
        train(images["data"], recipe(seed=seed), validation=images["validation"], output=tmp_path / name)
    assert torch.equal(torch.random.get_rng_state(), before)  # the caller's random numbers are his own
    assert (tmp_path / "same/metrics.jsonl").read_bytes() == (finished / "metrics.jsonl").read_bytes()
    assert weights(tmp_path / "same/final.safetensors") == weights(finished / "final.safetensors")
    assert weights(tmp_path / "other/final.safetensors") != weights(finished / "final.safetensors")


def test_it_learns(images: dict[str, Path], tmp_path: Path):
    # the colour tells the class; chance is a third
    chosen = recipe(epochs=12, schedule="one-cycle", rate=0.01, distortion="none", sampling="none", width=0.5)
    run = train(images["data"], chosen, validation=images["validation"], output=tmp_path)
    assert run.summary["evaluation"]["averaged"]["top1"] >= 0.8


# Going on, and refusing to.


def test_a_finished_run_is_returned_and_not_touched(images: dict[str, Path], finished: Path):
    before = {path.name: path.stat().st_mtime_ns for path in finished.iterdir() if path.name != ".lock"}
    run = train(images["data"], recipe(), validation=images["validation"], output=finished)
    assert run.summary == json.loads((finished / "summary.json").read_text())
    assert {path.name: path.stat().st_mtime_ns for path in finished.iterdir() if path.name != ".lock"} == before


def test_another_recipe_in_the_same_folder_is_refused_with_what_differs(images: dict[str, Path], finished: Path):
    with pytest.raises(InputError, match=r"rate 0\.01, now 0\.1; momentum 0\.9, now 0\.8"):
        train(images["data"], recipe(momentum=0.8, rate=0.1), validation=images["validation"], output=finished)
    with pytest.raises(InputError, match=r"validation .*, now none"):
        train(images["data"], recipe(), output=finished)


def test_what_does_not_touch_the_result_may_change(images: dict[str, Path], finished: Path):
    run = train(images["data"], recipe(workers=1, save_minutes=3.0), validation=images["validation"], output=finished)
    assert run.summary["steps"] == 18


def test_a_folder_of_something_else_is_left_alone(images: dict[str, Path], tmp_path: Path):
    (tmp_path / "metrics.jsonl").write_text("mine\n")
    with pytest.raises(InputError, match=r"holds metrics\.jsonl but no recipe\.json"):
        train(images["data"], recipe(), output=tmp_path)
    assert (tmp_path / "metrics.jsonl").read_text() == "mine\n"


def test_two_processes_cannot_share_a_folder(images: dict[str, Path], tmp_path: Path):
    fcntl = pytest.importorskip("fcntl")
    with (tmp_path / ".lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another process trains in this folder"):
            train(images["data"], recipe(), output=tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_saves_and_the_run_goes_on(images: dict[str, Path], finished: Path, tmp_path: Path, number: int):
    class Signalling(Alone):
        steps = 0

        def gather(self, parameters, images):  # type: ignore[no-untyped-def]
            self.steps += 1
            if self.steps == 8:
                os.kill(os.getpid(), number)
            return super().gather(parameters, images)

    chosen = recipe(save_minutes=10.0)
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match="stopped after step 8 of 18, saved in"):
        train(images["data"], chosen, validation=images["validation"], output=tmp_path, exchange=Signalling())
    assert signal.getsignal(number) is before
    state = load(tmp_path)
    assert state is not None
    assert state.step == 8
    train(images["data"], chosen, validation=images["validation"], output=tmp_path)
    assert (tmp_path / "metrics.jsonl").read_bytes() == (finished / "metrics.jsonl").read_bytes()
    assert weights(tmp_path / "final.safetensors") == weights(finished / "final.safetensors")


def test_a_signal_during_an_evaluation_saves_the_training_weights(
    images: dict[str, Path], finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    averaged = session.Validation.averaged

    def interrupted(self, watched):  # type: ignore[no-untyped-def]
        os.kill(os.getpid(), signal.SIGTERM)
        return averaged(self, watched)

    with monkeypatch.context() as patch:
        patch.setattr(session.Validation, "averaged", interrupted)
        with pytest.raises(Interrupted, match="after step 6 of 18"):
            train(images["data"], recipe(), validation=images["validation"], output=tmp_path)
    train(images["data"], recipe(), validation=images["validation"], output=tmp_path)
    assert (tmp_path / "metrics.jsonl").read_bytes() == (finished / "metrics.jsonl").read_bytes()
    assert weights(tmp_path / "final.safetensors") == weights(finished / "final.safetensors")


def test_a_second_ctrl_c_ends_at_once_and_keeps_what_was_saved(images: dict[str, Path], tmp_path: Path):
    class Signalling(Alone):
        steps = 0

        def apply(self, optimizer, rate):  # type: ignore[no-untyped-def]
            super().apply(optimizer, rate)
            self.steps += 1
            if self.steps == 8:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(EndedAtOnce):
        train(images["data"], recipe(save_minutes=10.0), output=tmp_path, exchange=Signalling())
    state = load(tmp_path)
    assert state is not None
    assert state.step == 6  # the end of the first epoch


def test_an_epoch_is_saved_before_it_is_evaluated(images: dict[str, Path], tmp_path: Path):
    class Killed(Exception):  # noqa: N818
        pass

    def killed(*arguments):  # type: ignore[no-untyped-def]
        raise Killed

    chosen = recipe(save_minutes=10.0, epochs=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session.Validation, "evaluate", killed)
        with pytest.raises(Killed):
            train(images["data"], chosen, validation=images["validation"], output=tmp_path)
    state = load(tmp_path)
    assert state is not None
    assert state.step == 6
    assert records(tmp_path, "evaluation") == []
    train(images["data"], chosen, validation=images["validation"], output=tmp_path)
    assert [line["epoch"] for line in records(tmp_path, "evaluation") if line["weights"] == "raw"] == [1, 2]


def test_a_long_evaluation_shows_how_far_it_is(
    images: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(session, "Progress", lambda *given, **more: Progress(*given, **(more | {"interval": 0.0})))
    chosen = recipe(epochs=1, network="googlenet-cifar", width=0.1, distortion="none", averaging="exponential")
    train(images["data"], chosen, validation=images["validation"], output=tmp_path)
    said = capsys.readouterr().err
    # 9 images with either weights, and 24 training images for the batch statistics of the average
    assert "evaluating: 4/42 images (10 %)" in said
    assert "evaluating: 42/42 images (100 %)" in said


# What goes wrong in training.


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_what_is_not_finite_stops_the_run_before_it_does_harm(
    images: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
):
    count = 0

    def cross_entropies(*arguments):  # type: ignore[no-untyped-def]
        nonlocal count
        losses = original(*arguments)
        count += 1
        if count == 5 and what == "loss":
            losses["auxiliary_4a"] = losses["auxiliary_4a"] * float("nan")
        if count == 5 and what == "gradient":
            losses["main"].register_hook(lambda gradient: gradient * float("inf"))
        return losses

    original = task.cross_entropies
    monkeypatch.setattr(task, "cross_entropies", cross_entropies)
    expected = {"loss": "loss of auxiliary_4a is not finite", "gradient": "gradient of .* is not finite"}[what]
    with pytest.raises(Diverged, match=rf"step 5: the {expected}.*of step 4, is .*last-good\.safetensors") as caught:
        train(images["data"], recipe(), output=tmp_path)
    assert str(caught.value).count(".png") == 4
    assert "\n" not in str(caught.value)
    last_good = checkpoints.read(tmp_path / "last-good.safetensors")
    state = load(tmp_path)
    assert state is not None
    assert state.step == 4
    assert all(torch.equal(last_good.weights[name], value) for name, value in state.part("network").items())
    assert all(value.isfinite().all() for value in last_good.weights.values())


def test_a_bad_image_ends_the_run_with_its_name_or_is_counted_and_listed(images: dict[str, Path], tmp_path: Path):
    data = write_images(tmp_path / "data")
    content = (data / "beech/3.png").read_bytes()
    (data / "beech/3.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"beech/3\.png"):
        train(data, recipe(epochs=1), output=tmp_path / "strict")
    run = train(data, recipe(epochs=1, skip_bad_images=True), output=tmp_path / "lenient")
    (name,) = run.summary["bad_images"]
    assert name.endswith("beech/3.png")
    counts = [step["images"] for step in records(tmp_path / "lenient", "step")]
    assert sorted(counts) == [3, 4, 4, 4, 4, 4]


# What is refused before the first step.


def test_a_class_that_only_the_validation_images_have_is_refused(images: dict[str, Path], tmp_path: Path):
    more = write_images(tmp_path / "more", each=1, classes=(*CLASSES, "dogwood"))
    with pytest.raises(InputError, match="dogwood"):
        train(images["data"], recipe(), validation=more, output=tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_validation_images_may_lack_a_class(images: dict[str, Path], tmp_path: Path):
    fewer = write_images(tmp_path / "fewer", each=1, classes=CLASSES[:2])
    run = train(images["data"], recipe(epochs=1), validation=fewer, output=tmp_path / "a")
    assert run.summary["evaluation"]["raw"]["images"] == 2


def test_records_hold_no_private_paths(images: dict[str, Path], finished: Path):
    """Run folders and checkpoints are passed on."""
    private = str(images["data"].parent.parent).encode()
    assert json.loads((finished / "recipe.json").read_text())  # it is there, and whole
    for file in ("recipe.json", "final.safetensors", "summary.json", "report.html"):
        assert private not in (finished / file).read_bytes()


def test_an_empty_class_is_refused(tmp_path: Path):
    data = write_images(tmp_path / "data", each=2)
    (data / "elm").mkdir()
    with pytest.raises(InputError, match="elm"):
        train(data, recipe(), output=tmp_path / "out")


def test_a_label_out_of_range_is_refused(images: dict[str, Path], tmp_path: Path):
    weights_file = pretrained(tmp_path / "weights.safetensors", numbered_classes(3))
    labels = [0, 1, 3]
    lines = [f"{images['data']}/{name}/0.png {label}" for name, label in zip(CLASSES, labels, strict=True)]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"no images of class 2"):
        train(tmp_path / "list.txt", Recipe(), pretrained=weights_file, output=tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs 0: give at least 1"),
        ({"rate": 0.0}, "rate 0.0: give a number above 0"),
        ({"rate": float("nan")}, "rate nan"),
        ({"momentum": 1.0}, "momentum 1.0"),
        ({"network": "googlenet-large"}, "'googlenet-large' is not known"),
        ({"sampling": "all"}, "sampling 'all' is not known"),
        ({"warm_up": 4.0}, "warm_up 4.0: the run has only 3 epochs"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], message: str):
    with pytest.raises(InputError, match=message):
        recipe(**options)


def test_patience_needs_images_to_judge_by(images: dict[str, Path], tmp_path: Path):
    with pytest.raises(InputError, match="patience 3: give --validation images"):
        train(images["data"], recipe(patience=3), output=tmp_path)


def test_a_device_that_is_not_there_is_refused(images: dict[str, Path], tmp_path: Path):
    if torch.cuda.is_available():
        pytest.skip("this machine has it")
    with pytest.raises(InputError, match=r"device cuda: .* finds none on this machine; there is cpu"):
        train(images["data"], recipe(device="cuda"), output=tmp_path)


# Pretrained weights.


def pretrained(path: Path, classes: tuple[Class, ...]) -> Path:
    """Write a checkpoint of random weights."""
    described = specification("googlenet-tiny", classes=len(classes), width=0.25)
    network = Network(described)
    initialise(network, seed=7)
    checkpoints.save(path, Checkpoint(described, classes, network.state_dict(), {"source": "a test"}))
    return path


def test_other_classes_get_fresh_classifiers_and_the_fine_tune_recipe(images: dict[str, Path], tmp_path: Path):
    source = checkpoints.read(pretrained(tmp_path / "weights.safetensors", numbered_classes(7)))
    chosen = Recipe(epochs=1, batch_size=24, rate=1e-300, log_every=1, workers=0)
    run = train(images["data"], chosen, pretrained=tmp_path / "weights.safetensors", output=tmp_path / "out")
    written = json.loads((tmp_path / "out/recipe.json").read_text())
    assert (written["preset"], written["schedule"], written["classifier_rate"]) == ("fine-tune", "cosine", 10.0)
    assert written["epochs"] == 1  # what was given stays
    final = checkpoints.read(run.weights)
    fresh = {name for name in final.weights if final.weights[name].shape != source.weights[name].shape}
    assert {name.rpartition(".")[0] for name in fresh} == {
        "classifier",
        "auxiliary_4a.classifier",
        "auxiliary_4d.classifier",
    }
    for name in final.weights.keys() - fresh:
        assert torch.equal(final.weights[name], source.weights[name])


def test_the_same_classes_keep_every_classifier_and_are_matched_by_id(images: dict[str, Path], tmp_path: Path):
    classes = tuple(Class(name, name) for name in ("cedar", "ash", "beech"))  # another order than the folders'
    source = checkpoints.read(pretrained(tmp_path / "weights.safetensors", classes))
    chosen = Recipe(epochs=1, batch_size=24, rate=1e-300, workers=0, log_every=1)
    run = train(images["data"], chosen, pretrained=tmp_path / "weights.safetensors", output=tmp_path / "out")
    final = checkpoints.read(run.weights)
    assert final.classes == classes
    assert json.loads((tmp_path / "out/recipe.json").read_text())["preset"] == "paper"
    assert all(torch.equal(final.weights[name], source.weights[name]) for name in source.weights)


def test_labels_follow_the_classes_of_the_weights(images: dict[str, Path], tmp_path: Path):
    seen: list[torch.Tensor] = []

    def cross_entropies(outputs, labels, smoothing):  # type: ignore[no-untyped-def]
        seen.append(labels)
        return original(outputs, labels, smoothing)

    original = task.cross_entropies
    classes = tuple(Class(name, name) for name in ("cedar", "ash", "beech"))
    pretrained(tmp_path / "weights.safetensors", classes)
    data = write_images(tmp_path / "one", each=1)
    for index in range(1, 4):  # four of cedar, one of the others
        (data / f"cedar/{index}.png").write_bytes((data / "cedar/0.png").read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task, "cross_entropies", cross_entropies)
        chosen = Recipe(epochs=1, batch_size=6, workers=0)
        train(data, chosen, pretrained=tmp_path / "weights.safetensors", output=tmp_path / "out")
    assert torch.bincount(seen[0]).tolist() == [4, 1, 1]


def test_frozen_rows_stay_as_they_are(images: dict[str, Path], tmp_path: Path):
    source = checkpoints.read(pretrained(tmp_path / "weights.safetensors", numbered_classes(7)))
    chosen = Recipe(epochs=1, batch_size=8, freeze=("conv1", "inception_3a"), workers=0)
    run = train(images["data"], chosen, pretrained=tmp_path / "weights.safetensors", output=tmp_path / "out")
    final = checkpoints.read(run.weights)
    kept = {name for name in source.weights if final.weights[name].equal(source.weights[name])}
    assert kept == {name for name in source.weights if name.startswith(("conv1.", "inception_3a."))}
    with pytest.raises(InputError, match="freeze: conv9 is no row of the network; its rows are conv1, "):
        train(images["data"], replace(chosen, freeze=("conv9",)), output=tmp_path / "x")


def test_frozen_rows_keep_their_batch_statistics_also_in_the_average_and_after_a_resume(
    images: dict[str, Path], tmp_path: Path
):
    described = specification("googlenet-cifar", classes=3, width=0.1)
    network = Network(described)
    initialise(network, seed=7)
    random = torch.Generator().manual_seed(8)
    for buffer in network.buffers():  # as of other images
        buffer.copy_(torch.rand(buffer.shape, generator=random) + 0.5 if buffer.ndim else torch.tensor(99))
    classes = tuple(Class(name, name) for name in CLASSES)
    checkpoints.save(tmp_path / "w.safetensors", Checkpoint(described, classes, network.state_dict(), {"source": "a"}))
    rows = tuple(network.row_names[:2])
    frozen = {name for name in network.state_dict() if name.startswith(tuple(f"{row}." for row in rows))}
    assert any("running_mean" in name for name in frozen)
    chosen = recipe(
        network=None, width=None, epochs=1, freeze=rows, distortion="none", averaging="exponential", save_minutes=10.0
    )

    class Stopping(Alone):
        taken = 0

        def agree(self, wish: Wish) -> Wish:
            self.taken += 1
            return wish | (Wish.STOP if self.taken == 3 else Wish.NOTHING)

    for name, exchange in {"whole": Alone(), "stopped": Stopping()}.items():
        given = {
            "validation": images["validation"],
            "pretrained": tmp_path / "w.safetensors",
            "output": tmp_path / name,
        }
        if name == "stopped":
            with pytest.raises(Interrupted, match="after step 3"):
                train(images["data"], chosen, **given, exchange=exchange)  # type: ignore[arg-type]
        train(images["data"], chosen, **given)  # type: ignore[arg-type]
        state = load(tmp_path / name)
        assert state is not None
        final = checkpoints.read(tmp_path / name / "final.safetensors")
        assert final.provenance["weights"] == "averaged"
        for tensors in (state.part("network"), final.weights):
            kept = {key for key, value in network.state_dict().items() if tensors[key].equal(value)}
            assert kept == frozen
    assert weights(tmp_path / "whole/state.safetensors") == weights(tmp_path / "stopped/state.safetensors")
    assert weights(tmp_path / "whole/final.safetensors") == weights(tmp_path / "stopped/final.safetensors")


def test_pretrained_weights_bring_their_own_network(images: dict[str, Path], tmp_path: Path):
    file = pretrained(tmp_path / "weights.safetensors", numbered_classes(3))
    with pytest.raises(InputError, match="leave network, width and budget out"):
        train(images["data"], Recipe(width=0.5), pretrained=file, output=tmp_path / "out")


def test_without_a_weight_for_them_there_are_no_heads(images: dict[str, Path], tmp_path: Path):
    run = train(images["data"], recipe(epochs=1, auxiliary_weight=0.0), output=tmp_path)
    final = checkpoints.read(run.weights)
    assert final.specification.auxiliary == ()
    assert final.weights.keys() == expected_tensors(final.specification).keys()
    assert set(records(tmp_path, "step")[0]["losses"]) == {"main"}


# Choices.


def test_patience_stops_early_and_hands_out_the_best(images: dict[str, Path], tmp_path: Path):
    chosen = recipe(epochs=9, rate=1e-300, patience=2)  # it learns nothing, so the first evaluation stays the best
    run = train(images["data"], chosen, validation=images["validation"], output=tmp_path)
    assert run.summary["epochs"] == 3
    assert [line["epoch"] for line in records(tmp_path, "evaluation") if line["weights"] == "raw"] == [1, 2, 3]
    assert checkpoints.read(run.weights).provenance["weights"] in ("raw", "averaged")
    best = checkpoints.read(tmp_path / "best.safetensors")
    final = checkpoints.read(run.weights)
    assert all(torch.equal(best.weights[name], final.weights[name]) for name in best.weights)


def test_a_batch_in_parts_makes_the_same_step(images: dict[str, Path], tmp_path: Path):
    # with heads and their dropout, whose masks go by image: parts change only the order of sums
    for parts in (1, 3, 12):
        chosen = recipe(epochs=1, batch_size=12, accumulate=parts, rate=1e-3)
        train(images["data"], chosen, output=tmp_path / str(parts))
    one, *others = ([step["loss"] for step in records(tmp_path / str(parts), "step")] for parts in (1, 3, 12))
    for other in others:
        assert other == pytest.approx(one, rel=1e-4)


def test_tensorboard_gets_the_same_figures(images: dict[str, Path], tmp_path: Path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(images["data"], recipe(epochs=1, tensorboard=True), validation=images["validation"], output=tmp_path / "out")
    events = accumulator.EventAccumulator(str(tmp_path / "out/tensorboard"))
    events.Reload()
    values = [(event.step, event.value) for event in events.Scalars("losses/auxiliary_4d")]
    expected = [(step["step"], step["losses"]["auxiliary_4d"]) for step in records(tmp_path / "out", "step")]
    assert [step for step, _ in values] == [step for step, _ in expected]
    assert [value for _, value in values] == pytest.approx([value for _, value in expected], rel=1e-5)
    assert "validation raw/top1" in events.Tags()["scalars"]
