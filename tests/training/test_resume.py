"""A run that is killed and goes on is the run that was not: every byte of weights, averages, velocity and metrics."""

import random
from pathlib import Path

import pytest
from killing import finish, kill, start
from safetensors import safe_open
from small_runs import recipe, write_images

from googlenet.training.checkpoints import load
from googlenet.training.recipe import Recipe

NETWORKS = {
    "tiny": recipe(),
    # batch normalisation, an exponential mean, accumulation, and checkpoints at the ends of epochs alone
    "batch-norm": recipe(
        network="googlenet-cifar",
        width=0.1,
        averaging="exponential",
        accumulate=2,
        nesterov=True,
        label_smoothing=0.1,
        schedule="one-cycle",
        save_minutes=10.0,
        distortion="none",
    ),
}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("images")
    return write_images(folder / "train"), write_images(folder / "validation", each=3, seed=1)


@pytest.fixture(scope="module")
def uninterrupted(images: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of each recipe's run that nothing disturbed."""
    folders = {}
    for name, wanted in NETWORKS.items():
        folders[name] = tmp_path_factory.mktemp(name)
        finish(*images, folders[name], wanted)
    return folders


def tensors(path: Path) -> dict[str, bytes]:
    with safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118


def assert_same_run(one: Path, other: Path) -> None:
    assert (one / "metrics.jsonl").read_bytes() == (other / "metrics.jsonl").read_bytes()
    for name in ("state.safetensors", "final.safetensors"):
        expected, found = tensors(one / name), tensors(other / name)
        assert expected.keys() == found.keys()
        assert [key for key in expected if expected[key] != found[key]] == []


def run_with_kills(count: int, images: tuple[Path, Path], uninterrupted: dict[str, Path], folder: Path, seed: int):  # type: ignore[no-untyped-def]
    """Kill `count` runs once each at a random moment, every third while it saves; each must end as if it was not."""
    moment = random.Random(seed)
    kills = []
    for number in range(count):
        name = ("tiny", "tiny", "batch-norm")[number % 3]
        in_save = number % 3 == 0
        workers = 2 if number % 4 == 1 else 0
        wanted = with_workers(NETWORKS[name], workers)
        here = folder / str(number)
        last = wanted.epochs * 6
        process = start(*images, here, wanted, slow=in_save)
        killed = kill(process, here, moment.randrange(1, last - 2), moment, in_save=in_save)
        assert killed.steps < last, "the kill came after the last step"
        assert not (here / "summary.json").exists()
        saved = load(here)
        print(f"{name}, {workers} workers: killed after step {killed.steps} of {last},", end=" ")
        print(f"checkpoint of step {saved.step if saved else 0}{', in a save' if killed.in_save else ''}")
        finish(*images, here, with_workers(wanted, 0 if workers else 1 - number % 2))
        assert_same_run(uninterrupted[name], here)
        kills.append(killed)
    return kills


def with_workers(wanted: Recipe, workers: int) -> Recipe:
    return Recipe(**{**wanted.__dict__, "workers": workers})


def test_the_uninterrupted_runs_learn_and_cover_what_resuming_must_restore(uninterrupted: dict[str, Path]):
    for folder in uninterrupted.values():
        names = {name.split(".")[0] for name in tensors(folder / "state.safetensors")}
        assert names == {"network", "average", "velocity"}
        lines = (folder / "metrics.jsonl").read_text().splitlines()
        assert sum('"weights": "averaged"' in line for line in lines) >= 2
        assert sum('"event": "step"' in line for line in lines) == 18
    assert any("running_mean" in name for name in tensors(uninterrupted["batch-norm"] / "state.safetensors"))


def test_ten_kills(images: tuple[Path, Path], uninterrupted: dict[str, Path], tmp_path: Path):
    kills = run_with_kills(10, images, uninterrupted, tmp_path, seed=1)
    assert len(kills) == 10
    assert sum(killed.in_save for killed in kills) >= 3
    assert len({killed.steps for killed in kills}) >= 4


@pytest.mark.long
def test_two_hundred_kills(images: tuple[Path, Path], uninterrupted: dict[str, Path], tmp_path: Path):
    kills = run_with_kills(200, images, uninterrupted, tmp_path, seed=2)
    assert len(kills) == 200
    assert sum(killed.in_save for killed in kills) >= 50
    assert len({killed.steps for killed in kills}) >= 14


def test_a_run_killed_after_every_single_step_is_still_the_same(
    images: tuple[Path, Path], uninterrupted: dict[str, Path], tmp_path: Path
):
    moment = random.Random(3)
    here = tmp_path / "often"
    for step in (1, 2, 5, 6, 7, 11, 12, 13):  # epochs end at 6 and 12
        killed = kill(start(*images, here, NETWORKS["tiny"]), here, step, moment, in_save=False)
        assert killed.steps < 18
    finish(*images, here, NETWORKS["tiny"])
    assert_same_run(uninterrupted["tiny"], here)
