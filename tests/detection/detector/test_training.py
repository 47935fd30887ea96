"""A detector in one folder: every stage once, the same command again, kills in every stage, broken pictures."""

import json
import os
import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from coloured import Coloured, pretrained, recipe

from googlenet.detection.boxes import iou
from googlenet.detection.detector.detector import load_detector
from googlenet.detection.detector.estimate import Estimate, _passes, estimate
from googlenet.detection.detector.settings import Choice
from googlenet.detection.detector.training import DetectorData, train_detector
from googlenet.detection.detector.work import DetectorWork
from googlenet.detection.multibox.recipe import MultiBoxRecipe
from googlenet.detection.proposals.sources import Found
from googlenet.detection.regions import pipeline
from googlenet.detection.regions.refinement.recipe import RefinementRecipe
from googlenet.detection.regions.windows import open_windows
from googlenet.detection.selective_search.search import SelectiveSearch
from googlenet.errors import InputError
from googlenet.files import sha256
from googlenet.images.decoding import decode
from googlenet.network.module import Network
from googlenet.network.zoo import specification
from googlenet.weights import checkpoint
from googlenet.weights.classes import Class

SOURCES = ("selective-search:single,width=native",)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrained(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)


class Broken(Coloured):
    """The second picture is cut off."""

    def read(self, index: int) -> bytes:
        return super().read(index)[: 200 if index == 1 else None]


def train(  # type: ignore[no-untyped-def]
    folder: Path,
    weights: Path,
    data: Coloured | None = None,
    refinement: RefinementRecipe = RefinementRecipe(),  # noqa: B008
    **options: object,
):
    return train_detector(
        DetectorData("coloured", data or Coloured(4)),
        recipe(**{"epochs": 1, "auxiliary_weight": 0.0, **options}),
        validation=DetectorData("held out", Coloured(2, seed=1)),
        pretrained=weights,
        output=folder,
        sources=SOURCES,
        refinement=refinement,
    )


def multibox(**options: object) -> MultiBoxRecipe:
    chosen: dict[str, object] = {"epochs": 2, "batch_size": 4, "boxes": 6, "warm_up": 0.0, "evaluate_every": 30}
    return MultiBoxRecipe(**(chosen | options))  # type: ignore[arg-type]


def test_a_folder_holds_everything_and_nothing_is_done_twice(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = train(tmp_path, weights)
    assert {path.name for path in tmp_path.iterdir()} >= {
        *("proposals", "windows", "regions", "detector.safetensors", "evaluation", "summary.json")
    }
    assert json.loads((tmp_path / "summary.json").read_text()) == json.loads(json.dumps(run.summary))
    assert run.summary["evaluation"]["images"] == 2
    assert "evaluation</t" in (tmp_path / "evaluation/report.html").read_text(), "among the times of the stages"
    covered = run.summary["proposals"]
    found = open_windows(tmp_path / "windows/validation")
    assert found
    assert covered["boxes_per_image"] == len(found) / 2
    best = [iou(Coloured(2, seed=1).objects(index).boxes, found.of(index).boxes).max(1) for index in (0, 1)]
    assert covered["recall"] == (np.concatenate(best) >= 0.5).mean()
    assert (tmp_path / "evaluation/proposals/report.html").exists()
    found = load_detector(run.detector, device="cpu", engine="torch")
    (detected,) = found.detect(decode(Coloured(2, seed=1).read(0), "picture"))
    (line, _) = (tmp_path / "evaluation/detections.jsonl").read_text().splitlines()
    assert np.allclose([one["box"] for one in json.loads(line)["detections"]], detected.boxes)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("[wpe]*/**/*") if path.is_file()}
    kept = sha256(run.detector)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("it is done already")

    monkeypatch.setattr("googlenet.detection.detector.proposing.propose", never)
    monkeypatch.setattr("googlenet.training.session.Session._train", never)
    monkeypatch.setattr("googlenet.detection.regions.pipeline._computed", never)
    again = train(tmp_path, weights)
    assert again.summary == run.summary
    assert sha256(run.detector) == kept
    assert [path for path, at in before.items() if path.stat().st_mtime_ns != at] == []


def test_it_is_said_before_what_it_will_take(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    train(tmp_path, weights)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("about ")]
    assert len(lines) == 1
    assert re.search(r"about .* s: proposals .* s, training .* s, evaluation .* s; \d+ MiB on the disk", lines[0])
    train(tmp_path, weights)
    assert "about " not in capsys.readouterr().err


def test_the_estimate_is_proposals_and_crops_times_their_number(weights: Path, tmp_path: Path):
    class Slow:
        name = key = "slow"

        def propose(self, image: np.ndarray) -> Found:
            time.sleep(0.4)
            return Found(np.repeat(np.array([[0.0, 0.0, 9.0, 9.0]]), 3, 0) + np.arange(3)[:, None], np.zeros(3))

    network = Network(checkpoint.describe(weights).specification)
    held = 8 * 4 * sum(parameter.numel() for parameter in network.parameters())
    cores = len(os.sched_getaffinity(0))

    def expected(name: str, judged: int, *texts: str) -> Estimate:
        validation = DetectorData("judged", Coloured(judged)) if judged else None
        work = DetectorWork(
            *(tmp_path / name, DetectorData("broken", Broken(20)), validation, recipe(epochs=10), multibox(epochs=60)),
            *(weights, texts),
        )
        work.__dict__["given_sources"] = [Slow()]
        found = estimate(work, network)
        assert found
        return found

    alone, judged, own = expected("alone", 0), expected("judged", 30), expected("own", 30, "multibox:boxes=7")
    assert (alone.evaluation, alone.disk, judged.disk) == (0, 20 * 3 * 76 + held, 50 * 3 * 76 + 30 * 3 * 56 + held)
    assert 20 * 0.4 / cores <= alone.proposals < 3 * 20 * 0.4 / cores
    assert judged.evaluation > 0
    assert (alone.multibox, judged.multibox, own.disk) == (0, 0, 50 * 10 * 76 + 30 * 10 * 56 + 2 * held)
    assert own.multibox > 0
    assert "MultiBox" in str(own)
    assert "MultiBox" not in str(judged)


def test_frozen_rows_take_a_third():
    """Nothing up to 4e is differentiated: 5a, 5b and the classifier have 8 % of the multiply-adds."""
    network = Network(specification("googlenet"))
    rows = [row.name for row in network.specification.rows]
    assert _passes(network, ()) == 3
    frozen = rows[: rows.index("inception_4e") + 1]
    assert _passes(network, frozen) == pytest.approx(1 + 2 * (51_079_168 + 70_697_984 + 1_024_000) / 1_582_671_872)
    assert _passes(network, rows[1:]) == 3  # the gradient goes through all to the first


def test_a_multibox_is_trained_first_where_it_is_asked_for(weights: Path, tmp_path: Path):
    def run(*stages: str, **options: object):  # type: ignore[no-untyped-def]
        return train_detector(
            *(DetectorData("coloured", Coloured(4)), recipe(epochs=1, auxiliary_weight=0.0)),
            validation=DetectorData("held out", Coloured(2, seed=1)),
            pretrained=weights,
            output=tmp_path / "run",
            sources=(*SOURCES, "multibox:boxes=5"),
            multibox=multibox(**options),
            stages=stages,  # type: ignore[arg-type]
        )

    with pytest.raises(InputError, match="the stage multibox is not done; let --stages name it, too"):
        run("regions")
    (trained,) = (run("multibox").summary[name] for name in ("multibox",))
    assert (trained["boxes"], trained["epochs"]) == (6, 2)
    assert trained["evaluation"]["raw"]["images"] == 2
    assert not (tmp_path / "run/windows").exists()
    assert run("proposals", "regions").summary["detector"] is None
    finished = run()
    made = finished.summary
    assert made["multibox"] == trained
    assert list(made["seconds"]) == ["multibox", "proposals", "regions", "detector", "evaluation"]
    text = made["settings"]["sources"][1]
    final = tmp_path / "run/multibox/final.safetensors"
    assert text == {"text": "multibox:multibox/final.safetensors,boxes=5", "sha256": sha256(final)}
    tried = load_detector(finished.detector, device="cpu", engine="torch", fast=True)
    assert len(tried.boxes(decode(Coloured(2, seed=1).read(0), "picture"))) <= 5
    with pytest.raises(InputError, match=r"another run \(boxes 6, now 7\)"):
        run(boxes=7)
    assert run().summary["seconds"] == made["seconds"]  # what was refused has changed nothing
    final.unlink()
    with pytest.raises(InputError, match="the stage multibox is not done"):
        run("evaluation")


def test_the_multibox_computes_as_the_classifier_does_unless_it_is_told(weights: Path, tmp_path: Path):
    given = recipe(workers=1, skip_bad_images=True)
    work = DetectorWork(tmp_path, DetectorData("a", Coloured(2)), None, given, multibox(workers=2), weights, SOURCES)
    found = work.multibox_recipe
    assert (found.device, found.workers, found.skip_bad_images, found.epochs) == ("cpu", 2, True, 2)


def test_runs_share_proposals_and_the_file_remembers_what_was_chosen(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Another run on the same pictures proposes nothing; another choice trains nothing, and scores no box anew."""
    proposed, computed = [], []
    search, compute = SelectiveSearch.propose, pipeline._computed
    monkeypatch.setattr(SelectiveSearch, "propose", lambda self, image: proposed.append(1) or search(self, image))
    monkeypatch.setattr(
        pipeline,
        "_computed",
        lambda batch, of: computed.extend(one.boxes for one in batch.pieces) or compute(batch, of),
    )

    def run(name: str, choice: Choice = Choice(), seed: int = 0):  # type: ignore[no-untyped-def]  # noqa: B008
        return train_detector(
            *(DetectorData("coloured", Coloured(4)), recipe(epochs=1, auxiliary_weight=0.0, seed=seed)),
            validation=DetectorData("held out", Coloured(2, seed=1)),
            **{"pretrained": weights, "output": tmp_path / name, "sources": SOURCES, "cache": tmp_path / "kept"},
            choice=choice,
        )

    first = run("first")
    assert len(proposed) == 6
    assert not (tmp_path / "first/proposals").exists()
    run("second", seed=1)
    assert len(proposed) == 6
    assert sum(map(len, computed)) > 0
    computed.clear()
    again = run("first", Choice(proposals=1, least_score=0.2, overlap=0.5, most=3))
    assert sum(map(len, computed)) == 0
    assert again.summary["regions"] == first.summary["regions"]
    assert again.summary["settings"]["selection"] == {"score": 0.2, "overlap": 0.5, "most": 3}
    (every,) = again.summary["evaluation"]["by_proposals"]
    assert every["boxes_per_image"] == 1
    assert load_detector(again.detector, device="cpu").settings.proposals == 1
    with pytest.raises(InputError, match="--reject-by multibox takes the boxes of its MultiBox, and it has none"):
        run("third", Choice(proposals=7, reject_by="multibox"))
    with pytest.raises(InputError, match="say with --proposals how many are classified"):
        run("third", Choice(reject_by=str(first.detector)))
    assert not (tmp_path / "third").exists()


REFINED = RefinementRecipe("svm", box_regression=True, context=True, feature_windows=20)


def test_what_refines_is_fitted_to_a_finished_run(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def run(refinement: RefinementRecipe = REFINED):  # type: ignore[no-untyped-def]
        return train_detector(
            *(DetectorData("coloured", Coloured(4)), recipe(epochs=1, auxiliary_weight=0.0)),
            **{"pretrained": weights, "output": tmp_path, "sources": SOURCES, "refinement": refinement},
        )

    plain = run(RefinementRecipe())
    assert plain.summary["refinement"] is None
    before = load_bytes(plain.detector)
    assert not (tmp_path / "refinement").exists()

    def never(*_: object, **__: object) -> None:
        raise AssertionError("it is done already")

    with monkeypatch.context() as patched:
        patched.setattr("googlenet.training.session.Session._train", never)
        refined = run()
    assert refined.summary["refinement"] == {
        **{"scores": "svm", "box_regression": True, "context": True, "feature_windows": 20}
    }
    assert re.search(r"features of \d+ regions, 320 numbers each: 0.0 MiB on the disk", capsys.readouterr().err)
    after = load_bytes(refined.detector)
    assert before.items() < after.items()
    assert {name.partition(".")[2].partition(".")[0] for name in after.keys() - before.keys()} == {
        *("svms", "regression", "context")
    }
    with monkeypatch.context() as patched:
        patched.setattr("googlenet.detection.detector.stages.fit_refinement", never)
        assert run().summary == refined.summary
    assert load_bytes(run(RefinementRecipe()).detector) == before


def test_objects_are_windows_in_training_alone(weights: Path, tmp_path: Path):
    train(tmp_path, weights)
    training, held_out = (open_windows(tmp_path / "windows" / name) for name in ("train", "validation"))
    assert training
    assert held_out
    objects = Coloured(4).objects(2)
    assert training.of(2).boxes[:2].tolist() == objects.boxes.tolist()
    assert training.of(2).labels[:2].tolist() == [0, 1]
    own = Coloured(2, seed=1).objects(0).boxes.tolist()
    assert not any(box in own for box in held_out.of(0).boxes.tolist()[:2])


def test_other_options_and_other_data_are_refused_with_what_differs(weights: Path, tmp_path: Path):
    train(tmp_path, weights)
    with pytest.raises(InputError, match=r"another run \(momentum 0.9, now 0.5\)"):
        train(tmp_path, weights, momentum=0.5)
    with pytest.raises(InputError, match=r"another run \(train: image 1 was"):
        train(tmp_path, weights, Coloured(4, seed=7))


def test_a_broken_picture_is_named_or_left_out(weights: Path, tmp_path: Path):
    with pytest.raises(InputError, match=r"coloured/1.png.*take it away, or give --skip-bad-images"):
        train(tmp_path, weights, Broken(4))
    run = train(tmp_path, weights, Broken(4), skip_bad_images=True)
    assert list(run.summary["bad_images"]) == ["coloured/1.png"]
    found = open_windows(tmp_path / "windows/train")
    assert found
    assert len(found.of(1).boxes) == 0


def test_objects_beyond_their_pictures_are_doubted(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    class Twice(Coloured):
        def objects(self, index: int):  # type: ignore[no-untyped-def]
            found = super().objects(index)
            return replace(found, boxes=found.boxes * 2) if index == 1 else found

    train_detector(
        DetectorData("twice", Twice(3)),
        recipe(),
        **{"pretrained": weights, "output": tmp_path, "sources": SOURCES, "stages": ("proposals",)},
    )
    told = "train: objects of 1 picture (coloured/1.png) reach beyond them; if their boxes are of another convention"
    assert told in capsys.readouterr().err


def test_a_class_that_no_window_shows_is_named(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    class More(Coloured):
        def __init__(self, count: int, seed: int = 0) -> None:
            super().__init__(count, seed)
            self.classes = (*self.classes, Class("blue", "blue"))

    train_detector(
        DetectorData("more", More(3)), recipe(epochs=1), pretrained=weights, output=tmp_path, sources=SOURCES
    )
    assert "train: no window shows blue; what is never seen is never found" in capsys.readouterr().err


def test_what_does_not_fit_is_refused_before_any_work(weights: Path, tmp_path: Path):
    class Other(Coloured):
        def __init__(self, count: int) -> None:
            super().__init__(count)
            self.classes = self.classes[:1]

    for options, complaint in (
        ({"validation": DetectorData("other", Other(2))}, "the validation images have other classes, red"),
        ({"recipe": recipe(patience=1)}, "give --validation images to judge by"),
        ({"recipe": recipe(freeze=("conv9",))}, "freeze: conv9 is no row"),
        ({"sources": ("nothing",)}, "--source nothing: no such source"),
        (
            {"choice": Choice(proposals=5, reject_by=str(tmp_path / "run/../run/detector.safetensors"))},
            "the file that is made here; give another detector",
        ),
        ({"pretrained": tmp_path / "nowhere.safetensors"}, "no such file"),
    ):
        given = {"pretrained": weights, "output": tmp_path / "run", "recipe": recipe(), "sources": SOURCES, **options}
        with pytest.raises(InputError, match=complaint):
            train_detector(DetectorData("coloured", Coloured(3)), given.pop("recipe"), **given)  # type: ignore[arg-type]
        assert not (tmp_path / "run").exists()


def load_bytes(path: Path) -> dict[str, bytes]:
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118
