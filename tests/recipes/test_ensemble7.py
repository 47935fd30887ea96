"""The whole way of the recipe, with three tiny members on a few dozen images: what its table must have to be true."""

import io
import json
import sys
import tarfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

import googlenet
from googlenet.data.sources import open_dataset

RECIPE = Path(__file__).parents[2] / "recipes" / "ensemble7.py"
CLASSES = ("ash", "beech", "cedar", "dogwood", "elm", "fir")


def write_shards(folder: Path, each: int = 6) -> Path:
    """Write shards as those of CIFAR-10: of every class one image a shard, whose colour tells it."""
    folder.mkdir()
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    random = np.random.default_rng(0)
    for name in [f"train-{number:04}" for number in range(10)] + ["test-0000", "test-0001"]:
        with tarfile.open(folder / f"{name}.tar.gz", "w:gz") as shard:
            for number in range(each):
                pixels = random.integers(0, 160, (32, 32, 3), np.uint8)
                pixels[:, :, number % 3] += 90 if number < 3 else 40
                file = io.BytesIO()
                Image.fromarray(pixels).save(file, "PNG")
                for ending, content in ((".png", file.getvalue()), (".cls", str(number).encode())):
                    member = tarfile.TarInfo(f"{number:06}{ending}")
                    member.size = len(content)
                    shard.addfile(member, io.BytesIO(content))
    return folder


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return _loaded(RECIPE, monkeypatch)


@pytest.fixture
def small_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The recipe with its last three members alone, of the fewest channels, trained for a moment."""
    text = RECIPE.read_text()
    for what, instead in (
        ("0.3125)", "0.025)"),
        ('Member("larger"), Member("paper")] * 3', 'Member("larger", 0.02), Member("paper", 0.02)]'),
        ("epochs=3", "epochs=1, workers=0"),
        ("batch_size=64", "batch_size=9"),
    ):
        assert text.count(what) == 1
        text = text.replace(what, instead)
    (tmp_path / "ensemble7.py").write_text(text)
    return _loaded(tmp_path / "ensemble7.py", monkeypatch)


def _loaded(path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    found = spec_from_file_location("ensemble7", path)
    assert found is not None
    assert found.loader is not None
    module = module_from_spec(found)
    monkeypatch.setitem(sys.modules, "ensemble7", module)
    found.loader.exec_module(module)
    return module


def test_the_members_are_the_papers(recipe: ModuleType):
    *alike, wider = recipe.MEMBERS
    assert len(alike) == 6
    assert len({member.width for member in alike}) == 1
    assert wider.width > alike[0].width
    assert {member.sampling for member in alike} == {"larger", "paper"}


def test_no_images_are_refused_before_any_work(recipe: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["ensemble7.py", str(tmp_path), str(tmp_path / "run"), "--images", "0"])
    with pytest.raises(googlenet.InputError, match="--images"):
        recipe.main()
    assert not (tmp_path / "run").exists()


def test_the_whole_way(small_recipe: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    recipe, data, folder = small_recipe, write_shards(tmp_path / "data"), tmp_path / "run"
    monkeypatch.setenv("GOOGLENET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "argv", ["ensemble7.py", str(data), str(folder), "--images", "9"])
    recipe.main()
    told = capsys.readouterr().out
    names = ["member-1", "member-2", "member-3"]
    _check_runs([json.loads((folder / name / "recipe.json").read_bytes()) for name in names])
    _check_table(json.loads((folder / "table3.json").read_bytes()), [folder / name for name in names], data)
    assert "3 models, 144 crops, mean" in told

    times = [(folder / name / "final.safetensors").stat().st_mtime_ns for name in names]
    recipe.main()
    assert [(folder / name / "final.safetensors").stat().st_mtime_ns for name in names] == times
    assert capsys.readouterr().out == told
    together = googlenet.load(folder / "ensemble7.json")
    assert len(together.members) == 3


def _check_runs(recipes: list[dict[str, Any]]) -> None:
    """Alike are the first weights, those of the wider one apart; sampling and seed differ."""
    first = [found["pretrained"]["sha256"] for found in recipes]
    assert first[0] == first[1] != first[2]
    assert [found["sampling"] for found in recipes] == ["larger", "paper", "larger"]
    assert len({found["seed"] for found in recipes}) == 3
    assert {found["data"]["images"] for found in recipes} == {54}
    assert {found["validation"]["images"] for found in recipes} == {6}


def _check_table(table: dict[str, Any], members: list[Path], data: Path) -> None:
    """One crop is prediction; all together are the mean of the probabilities."""
    images = open_dataset(f"{data}/test-{{0000..0001}}.tar.gz")
    pictures = [np.asarray(Image.open(io.BytesIO(images.read(index)))) for index in range(9)]
    truths = images.labels[:9]
    alone = []
    for member in members:
        answers = googlenet.load(member / "final.safetensors").predict(pictures, top=6)
        alone.append([[one.probability for one in sorted(a.predictions, key=lambda one: one.index)] for a in answers])
    rates = [float(np.mean(np.argmax(one, axis=1) == truths)) for one in alone]
    rows = {(len(row["models"]), row["crops"], row["combination"]): row for row in table["rows"]}
    assert len(rows) == 2 * 7
    single, together = rows[1, "1", "mean"], rows[3, "1", "mean"]
    assert table["chosen"] == max(table["held_out_top1"], key=table["held_out_top1"].get)
    assert single["models"] == [table["chosen"]]
    assert single["top1"] == rates[[member.name for member in members].index(table["chosen"])]
    assert single["mean_top1"] == pytest.approx(np.mean(rates))
    assert single["deviation_top1"] == pytest.approx(np.std(rates, ddof=1))
    assert together["top1"] == np.mean(np.argmax(np.mean(alone, axis=0), axis=1) == truths)
    assert rows[3, "144", "mean"]["multiply_adds_performed"] == 48 / 144 * rows[3, "144", "mean"]["multiply_adds"]
    for pair in table["comparisons"]:
        before, after = (rows[tuple(pair[end])]["top1"] for end in ("from", "to"))
        assert pair["difference"] == pytest.approx(after - before)
