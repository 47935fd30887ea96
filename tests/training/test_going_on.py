"""A run goes on with other options of how it computes, on another machine, with more epochs, and past bad images."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from small_runs import recipe, write_images

from googlenet.errors import BrokenOff, InputError
from googlenet.training import checkpoints, session
from googlenet.training.exchange import Alone, Wish
from googlenet.training.interruption import Interrupted
from googlenet.training.run import train


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)


def tensors(path: Path) -> dict[str, bytes]:
    with safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118


def losses(folder: Path) -> list[tuple[int, float]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line["loss"]) for line in lines if line["event"] == "step"]


class Stopping(Alone):
    """Stops after some steps of a process, as Ctrl-C does."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def agree(self, wish: Wish) -> Wish:
        self.left -= 1
        return wish | (Wish.STOP if self.left == 0 else Wish.NOTHING)


@pytest.mark.parametrize(
    ("averaging", "burn_in"),
    [("none", 0.0), ("exponential", 0.0), ("polyak", 0.75)],  # the mean of 4 epochs begins at 3, after the first 2
)
def test_two_epochs_and_then_four_are_four_at_once(data: Path, tmp_path: Path, averaging: str, burn_in: float):
    options = {"averaging": averaging, "burn_in": burn_in, "warm_up": 0.5}
    train(data, recipe(epochs=4, **options), output=tmp_path / "at once")
    first = train(data, recipe(epochs=2, **options), output=tmp_path / "longer")
    assert first.summary["epochs"] == 2
    longer = train(data, recipe(epochs=4, **options), output=tmp_path / "longer")
    assert longer.summary["epochs"] == 4
    for name in ("final.safetensors", "state.safetensors"):
        assert tensors(tmp_path / "longer" / name) == tensors(tmp_path / "at once" / name)
    for name in ("metrics.jsonl", "recipe.json"):
        assert (tmp_path / "longer" / name).read_bytes() == (tmp_path / "at once" / name).read_bytes()


def test_a_mean_that_has_begun_goes_on_and_says_so(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    train(data, recipe(epochs=2, burn_in=0.5), output=tmp_path)
    train(data, recipe(epochs=5, burn_in=0.5), output=tmp_path)  # at once it would begin after 15 steps, past the 12
    assert "Polyak's mean" not in capsys.readouterr().err
    train(data, recipe(epochs=6, burn_in=0.5), output=tmp_path)
    assert "mean has begun after step 15, " in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle", "bvlc"])
def test_more_epochs_are_refused_where_every_rate_depends_on_them(data: Path, tmp_path: Path, schedule: str):
    train(data, recipe(epochs=1, schedule=schedule), output=tmp_path)
    with pytest.raises(InputError, match=rf"epochs 1, now 2, on which every rate of the {schedule} schedule depends"):
        train(data, recipe(epochs=2, schedule=schedule), output=tmp_path)
    assert (tmp_path / "summary.json").exists()
    train(data, recipe(epochs=1, schedule=schedule), output=tmp_path)  # as it is told


def test_fewer_epochs_than_are_done_are_refused_and_others_are_the_run_asked_for_at_once(data: Path, tmp_path: Path):
    train(data, recipe(epochs=1, averaging="none"), output=tmp_path / "run")
    with pytest.raises(Interrupted):  # mistyped
        train(data, recipe(epochs=300, averaging="none"), output=tmp_path / "run", exchange=Stopping(1))
    with pytest.raises(InputError, match=r"epochs 1: .*run has begun epoch 2; give no fewer, or another folder"):
        train(data, recipe(epochs=1, averaging="none"), output=tmp_path / "run")
    train(data, recipe(epochs=2, averaging="none"), output=tmp_path / "run")
    train(data, recipe(epochs=2, averaging="none"), output=tmp_path / "at once")
    for name in ("final.safetensors", "state.safetensors"):
        assert tensors(tmp_path / "run" / name) == tensors(tmp_path / "at once" / name)


@pytest.mark.parametrize("what", ["continued", "RunLog", "Checkpoints.save", "load"])
def test_a_finished_run_stays_finished_where_a_longer_one_cannot_begin(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
):
    """No such device, a log or disk that cannot be written, damaged checkpoints."""

    def fails(*arguments, **options):  # type: ignore[no-untyped-def]
        raise InputError("as it is told")

    first = train(data, recipe(epochs=1), output=tmp_path)
    kept = {name: (tmp_path / name).read_bytes() for name in ("recipe.json", "summary.json", "final.safetensors")}
    with monkeypatch.context() as patch:
        patch.setattr(f"googlenet.training.session.{what}", fails)
        with pytest.raises(InputError, match="as it is told"):
            train(data, recipe(epochs=2), output=tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in kept} == kept
    assert train(data, recipe(epochs=1), output=tmp_path).summary == first.summary
    assert train(data, recipe(epochs=2), output=tmp_path).summary["epochs"] == 2


def test_a_first_command_that_is_refused_claims_no_folder(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fails(*arguments):  # type: ignore[no-untyped-def]
        raise InputError("no such device")

    with monkeypatch.context() as patch:
        patch.setattr(session, "find_device", fails)
        with pytest.raises(InputError, match="no such device"):
            train(data, recipe(epochs=1), output=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    train(data, recipe(epochs=1, seed=1), output=tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("summary.json", b"{}"),
        ("summary.json", b"[1"),
        ("summary.json", b'{"epochs": 1, "steps": null}'),
        ("final.safetensors", None),
        ("final.safetensors", b"torn"),
    ],
)
def test_what_is_lost_of_a_finished_run_is_made_anew_or_missed(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes | None
):
    def damage() -> None:
        (tmp_path / name).unlink()
        if content is not None:
            (tmp_path / name).write_bytes(content)

    first = train(data, recipe(epochs=1), output=tmp_path)
    final = tensors(first.weights)
    damage()
    again = train(data, recipe(epochs=1), output=tmp_path)
    assert "made anew from the last checkpoint" in " ".join(capsys.readouterr().err.split())
    assert tensors(first.weights) == final
    assert again.summary | {"seconds": 0} == dict(first.summary) | {"seconds": 0}
    for state in tmp_path.glob("state*"):
        state.unlink()
    damage()
    with pytest.raises(InputError, match=rf"{name}.*no checkpoint to make it from; give another output folder"):
        train(data, recipe(epochs=1), output=tmp_path)


def test_a_run_whose_log_was_lost_goes_on_to_the_same_weights(data: Path, tmp_path: Path):
    for name in ("lost", "kept"):
        with pytest.raises(Interrupted):
            train(data, recipe(epochs=1), output=tmp_path / name, exchange=Stopping(3))
    (tmp_path / "lost/metrics.jsonl").unlink()
    for name in ("lost", "kept"):
        train(data, recipe(epochs=1), output=tmp_path / name)
    assert [step for step, _ in losses(tmp_path / "lost")] == [4, 5, 6]
    assert tensors(tmp_path / "lost/final.safetensors") == tensors(tmp_path / "kept/final.safetensors")


def test_a_run_from_a_larger_machine_goes_on_and_says_how(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(Interrupted):
        train(data, recipe(epochs=1, device="auto"), output=tmp_path, exchange=Stopping(3))
    state = checkpoints.load(tmp_path)
    assert state is not None
    recorded = state.counters["execution"] | {"device": "cuda", "threads": 64, "precision": "bfloat16"}
    checkpoints.save(tmp_path, replace(state, counters=state.counters | {"execution": recorded}))
    run = train(data, recipe(epochs=1), output=tmp_path)
    said = " ".join(capsys.readouterr().err.split())
    assert "computed on cuda, bfloat16" in said
    assert "differ from those of the run that stayed by rounding" in said
    assert run.summary["execution"].startswith("cpu, float32")
    assert [step for step, _ in losses(tmp_path)] == [1, 2, 3, 4, 5, 6]
    after = checkpoints.load(tmp_path)
    assert after is not None
    assert after.counters["execution"]["device"] == "cpu"


def test_past_a_bad_image_it_goes_on_as_the_message_says(data: Path, tmp_path: Path):
    broken = tmp_path / "data"
    shutil.copytree(data, broken)
    bad = broken / "beech/3.png"
    bad.write_bytes(bad.read_bytes()[:300])
    with pytest.raises(InputError, match=r"beech/3\.png: [^;]*; take it away to go on, or give --skip-bad-images"):
        train(broken, recipe(epochs=1), output=tmp_path / "run")
    run = train(broken, recipe(epochs=1, skip_bad_images=True), output=tmp_path / "run")
    train(broken, recipe(epochs=1, skip_bad_images=True), output=tmp_path / "at once")
    assert tensors(tmp_path / "run/final.safetensors") == tensors(tmp_path / "at once/final.safetensors")
    (name,) = run.summary["bad_images"]
    assert name.endswith("beech/3.png")
    train(broken, recipe(epochs=1), output=tmp_path / "run")
    (line,) = (tmp_path / "run/bad-images.jsonl").read_text().splitlines()
    assert json.loads(line)["image"] == name


def test_past_images_that_were_taken_away_it_goes_on_as_past_bad_ones(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    broken = tmp_path / "data"
    shutil.copytree(data, broken)
    bad, whole = broken / "beech/3.png", broken / "cedar/7.png"
    bad.write_bytes(bad.read_bytes()[:300])
    options = {"epochs": 2, "rate": 0.001, "clip": 1.0}
    skipping = train(broken, recipe(**options, skip_bad_images=True), output=tmp_path / "skipping")
    with pytest.raises(InputError, match="take it away to go on"):
        train(broken, recipe(**options), validation=broken, output=tmp_path / "run")
    with pytest.raises(InputError, match="take it away to go on"):
        train(broken, recipe(**options), output=tmp_path / "other")
    bad.unlink()
    moved = broken.rename(tmp_path / "moved")
    capsys.readouterr()
    run = train(moved, recipe(**options, workers=1), output=tmp_path / "other")
    said = " ".join(capsys.readouterr().err.split())
    name = str(moved / "beech/3.png")
    assert f"data: taken away since the run began, and left out from here on: {name}" in said
    assert run.summary["bad_images"] == {name: f"{name}: taken away since the run began"}
    assert run.summary["images"] == skipping.summary["images"] == 24
    for file in ("final.safetensors", "state.safetensors"):
        assert tensors(tmp_path / "other" / file) == tensors(tmp_path / "skipping" / file)
    assert (tmp_path / "other/metrics.jsonl").read_bytes() == (tmp_path / "skipping/metrics.jsonl").read_bytes()
    both = train(moved, recipe(**options), validation=moved, output=tmp_path / "run").summary
    assert [found["images"] for found in both["evaluation"].values()] == [23, 23]
    (tmp_path / "moved" / whole.relative_to(broken)).unlink()  # 2 of 24 by now
    assert train(moved, recipe(**options), output=tmp_path / "other").summary == run.summary
    longer = train(moved, recipe(**options | {"epochs": 3}), output=tmp_path / "other").summary
    assert list(longer["bad_images"]) == [name, str(moved / "cedar/7.png")]
    (moved / "ash/0.png").unlink()
    with pytest.raises(InputError, match=r"data: 3 of 24 images are gone, the first is image 0, ash/0\.png.*10%"):
        train(moved, recipe(**options | {"epochs": 3}), output=tmp_path / "other")


def test_a_folder_that_is_deleted_meanwhile_is_one_line(data: Path, tmp_path: Path):
    class Deleting(Alone):
        def apply(self, optimizer, rate):  # type: ignore[no-untyped-def]
            shutil.rmtree(tmp_path / "run", ignore_errors=True)

    with pytest.raises(BrokenOff, match=r"run: was deleted or moved while the run went on"):
        train(data, recipe(epochs=1), output=tmp_path / "run", exchange=Deleting())
    assert not (tmp_path / "run").exists()
