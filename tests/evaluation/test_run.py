"""Whole evaluations of tiny networks on embedded digits: against prediction, in parts, after kills, in any split."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import googlenet
from googlenet.data.digits import Digits
from googlenet.errors import BrokenOff, InputError
from googlenet.evaluation import work as evaluation_work
from googlenet.evaluation.results import Evaluation
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.zoo import specification
from googlenet.weights.checkpoint import Checkpoint, read, save
from googlenet.weights.classes import Class, numbered_classes

DIGITS = 60


class Some(Digits):
    """The first of the embedded digits."""

    def __init__(self) -> None:
        super().__init__("validation")
        self.labels = self.labels[:DIGITS]

    def __len__(self) -> int:
        return DIGITS


class Damaged(Some):
    """Digits of which one cannot be read, until it is mended."""

    bad = 3

    def read(self, index: int) -> bytes:
        return b"\xff\xd8\xff" if index == self.bad else super().read(index)


class Mended(Damaged):
    bad = -1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two networks, the second with two more classes and another order."""
    folder = tmp_path_factory.mktemp("evaluation")
    orders = {"first": numbered_classes(10), "second": (Class("x", "x"), *numbered_classes(10)[::-1], Class("y", "y"))}
    for seed, (name, classes) in enumerate(orders.items()):
        network = Network(specification("googlenet-tiny", classes=len(classes)))
        initialise(network, seed=seed)
        save(folder / f"{name}.safetensors", Checkpoint(network.specification, classes, network.state_dict()))
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("googlenet.machine.cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def run(folder: Path, *names: str, **options: object) -> Evaluation:
    weights = [folder / f"{name}.safetensors" for name in names]
    found = googlenet.evaluate(weights, options.pop("data", None) or Some(), engine="torch", **options)  # type: ignore[arg-type]
    assert found is not None
    return found


def figures(found: Evaluation) -> list[dict[str, object]]:
    """The rows without what depends on the clock."""
    return [
        {name: value for name, value in row.items() if name != "seconds_per_image"} for row in found.to_json()["rows"]
    ]


def test_one_crop_is_prediction(folder: Path, tmp_path: Path):
    found = run(folder, "first")
    model, data = googlenet.load(folder / "first.safetensors", engine="torch"), Some()
    predicted = list(model.predict([data.read(index) for index in range(DIGITS)]))
    (row,) = found.rows
    assert [found.classes[answer].id for answer in row.outcome.answers] == [one.best.id for one in predicted]
    assert row.outcome.probability == pytest.approx([one.best.probability for one in predicted], abs=1e-6)
    assert row.outcome.top1 == np.mean([one.best.id == str(data.labels[i]) for i, one in enumerate(predicted)])
    assert found.images == DIGITS


def test_the_grid(folder: Path):
    found = run(folder, "first", "second", crops=[1, 10], combination=["mean", "max"])
    names = [("first",), ("second",), ("first", "second")]
    grid = [(models, crops, how) for models in names for crops in ("1", "10") for how in ("mean", "max")]
    assert [(row.models, row.crops, row.combination) for row in found.rows] == grid
    # classes are matched by id: the second network's ten and two more
    assert [one.id for one in found.classes] == [*"0123456789", "x", "y"]
    assert [row.outcome.classes for row in found.rows] == [10] * 4 + [12] * 4 + [10] * 4
    cost = googlenet.cost(googlenet.specification("googlenet-tiny", classes=10)).multiply_adds
    assert found.rows[0].multiply_adds == cost
    assert found.rows[2].multiply_adds == 10 * cost


def test_an_ensemble_is_the_mean_of_its_members(folder: Path, tmp_path: Path):
    googlenet.save_ensemble(tmp_path / "both.json", [folder / "first.safetensors", folder / "second.safetensors"])
    together = run(folder, "first", "second", crops=[10]).rows[2]
    found = googlenet.evaluate(tmp_path / "both.json", Some(), crops=[10], engine="torch")
    assert found is not None
    (row,) = found.rows
    assert row.models == ("first", "second")
    np.testing.assert_array_equal(row.outcome.probabilities, together.outcome.probabilities)


def test_kept_logits_give_the_same_table_without_a_network(folder: Path, tmp_path: Path, monkeypatch):
    options = {"crops": [1, 10], "combination": ["mean", "max", "logits"]}
    direct = run(folder, "first", "second", **options)
    run(folder, "first", "second", crops=[1, 10], logits=tmp_path / "logits")
    monkeypatch.setattr(evaluation_work, "read_views", _never)
    again = run(folder, "first", "second", logits=tmp_path / "logits", **options)
    assert figures(again) == figures(direct)
    one = run(folder, "second", crops=[10], logits=tmp_path / "logits")
    assert figures(one)[0]["top1"] == figures(direct)[9]["top1"]


def test_logits_in_half_the_room(folder: Path, tmp_path: Path, caplog):
    caplog.set_level("INFO", "googlenet")
    whole = run(folder, "first", crops=[10], logits=tmp_path / "whole")
    half = run(folder, "first", crops=[10], logits=tmp_path / "half", logits_as="float16")
    sizes = [sum(path.stat().st_size for path in (tmp_path / name).glob("*.logits")) for name in ("whole", "half")]
    assert sizes[0] == 2 * sizes[1] == DIGITS * 10 * 10 * 4
    assert half.rows[0].outcome.probabilities == pytest.approx(whole.rows[0].outcome.probabilities, abs=2e-3)
    assert (
        f"float16: 0 of {DIGITS} answers have another best class than in float32; probabilities differ" in caplog.text
    )
    with pytest.raises(InputError, match="holds other logits"):
        run(folder, "first", crops=[10], logits=tmp_path / "half")


def test_it_goes_on_after_every_end(folder: Path, tmp_path: Path, monkeypatch):
    """Each start is ended after a few images; what was done is not done again."""
    options = {"crops": [1, 10], "report": tmp_path / "report"}
    whole = run(folder, "first", crops=[1, 10])
    asked: list[int] = []
    real = evaluation_work.read_views

    def ended(dataset: object, images: list[int], *rest: object) -> Iterator[object]:
        for count, one in enumerate(real(dataset, images, *rest)):  # type: ignore[arg-type]
            if count == 24:
                raise KeyboardInterrupt
            asked.append(one[0])
            yield one

    monkeypatch.setattr(evaluation_work, "read_views", ended)
    for _ in range(5):
        try:
            found = run(folder, "first", **options)
            break
        except KeyboardInterrupt:
            continue
    assert figures(found) == figures(whole)
    assert len(asked) < 2 * DIGITS
    monkeypatch.setattr(evaluation_work, "read_views", _never)
    assert figures(run(folder, "first", **options)) == figures(whole)  # a finished one is only read


def test_the_split_over_processes_counts_nothing_twice(folder: Path, monkeypatch, tmp_path: Path):
    monkeypatch.setattr(evaluation_work, "SHARE", 7)
    whole = run(folder, "first", crops=[10])
    for rank in (2, 1, 0):  # the first gathers, so it comes last
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "3")
        found = googlenet.evaluate(
            folder / "first.safetensors", Some(), crops=[10], engine="torch", report=tmp_path / "report"
        )
    assert found is not None
    ours, theirs = found.rows[0].outcome, whole.rows[0].outcome
    assert ours.indices.tolist() == list(range(DIGITS))
    assert ours.ranks.tolist() == theirs.ranks.tolist()
    assert ours.losses == pytest.approx(theirs.losses, abs=1e-5)  # other images are beside them in a batch


def test_classes_that_the_weights_lack_are_counted_and_left_out(folder: Path, tmp_path: Path, caplog):
    network = Network(specification("googlenet-tiny", classes=8))
    initialise(network, seed=5)
    save(tmp_path / "eight.safetensors", Checkpoint(network.specification, numbered_classes(8), network.state_dict()))
    found = googlenet.evaluate(tmp_path / "eight.safetensors", Some(), engine="torch")
    assert found is not None
    labels = Some().labels
    assert found.lacking == {"8": int((labels == 8).sum()), "9": int((labels == 9).sum())}
    assert found.images == int((labels < 8).sum())
    assert "images are left out, of classes that the weights lack: 8 (" in caplog.text


def test_a_right_answer_beside_others_that_is_no_class_is_told(tmp_path: Path, folder: Path, caplog):
    for index in range(2):
        (tmp_path / f"{index}.png").write_bytes(Some().read(index))
    (tmp_path / "list.txt").write_text("0.png 3|nope\n1.png 4|5\n")
    found = run(folder, "first", data=tmp_path / "list.txt")
    assert found.images == 2
    assert "right answers that the weights lack do not count beside others of an image: nope" in caplog.text


def test_answers_among_the_classes_of_the_data(folder: Path):
    data = Some()
    data.labels = data.labels % 3
    data.classes = data.classes[:3]
    everything = run(folder, "second", data=data)
    restricted = run(folder, "second", data=data, classes_of_data=True)
    assert restricted.rows[0].outcome.classes == 3
    answered = [
        {found.classes[answer].id for answer in found.rows[0].outcome.answers} for found in (restricted, everything)
    ]
    assert answered[0] <= {"0", "1", "2"}
    assert not answered[1] <= {"0", "1", "2"}


def test_images_that_cannot_be_read_are_in_no_row(folder: Path):
    found = run(folder, "first", data=Damaged())
    assert found.images == DIGITS - 1
    ((name, reason),) = found.unreadable
    assert name == Some().name(3)
    assert "not a whole JPEG file" in reason


def test_a_batch_of_images_that_cannot_be_read(folder: Path):
    class Hopeless(Some):
        def read(self, index: int) -> bytes:
            return b"" if index >= 32 else super().read(index)

    assert run(folder, "first", data=Hopeless()).images == 32


def test_kept_logits_are_made_up_for_where_the_records_are_older(folder: Path, tmp_path: Path):
    run(folder, "first", report=tmp_path / "report", logits=tmp_path / "logits")
    for path in (tmp_path / "logits").iterdir():
        path.unlink()
    run(folder, "first", report=tmp_path / "report", logits=tmp_path / "logits")
    assert all(np.fromfile(tmp_path / "logits" / "images.bin", np.uint8).reshape(DIGITS, -1)[:, 0] == 1)


def test_logits_that_do_not_fit_are_refused(folder: Path, tmp_path: Path):
    checkpoint = read(folder / "first.safetensors")
    large = {
        name: value * 1e7 if name.startswith("classifier.") else value for name, value in checkpoint.weights.items()
    }
    save(tmp_path / "large.safetensors", replace(checkpoint, weights=large))
    with pytest.raises(BrokenOff, match="do not fit float16; give --logits-as float32"):
        run(tmp_path, "large", logits=tmp_path / "logits", logits_as="float16")


@pytest.mark.parametrize(
    "change", [{"images": 3}, {"images": 10**30}, {"models": [{"name": "a", "sha256": "b", "outputs": 10**9}]}, None]
)
def test_logits_of_something_else_are_left_alone(folder: Path, tmp_path: Path, change: dict[str, object] | None):
    run(folder, "first", logits=tmp_path / "logits")
    contents = tmp_path / "logits" / "view_logits.json"
    contents.write_text("[" * 100_000 if change is None else json.dumps(json.loads(contents.read_text()) | change))
    sizes = {path.name: path.stat().st_size for path in contents.parent.iterdir()}
    with pytest.raises(InputError, match="give another folder"):
        run(folder, "first", logits=tmp_path / "logits")
    assert {path.name: path.stat().st_size for path in contents.parent.iterdir()} == sizes


def test_damaged_records_are_made_anew(folder: Path, tmp_path: Path):
    whole = run(folder, "first", report=tmp_path)
    records = tmp_path / "records" / "records.bin"
    records.write_bytes(b"\x01" + b"\x7f" * (records.stat().st_size - 1))
    assert figures(run(folder, "first", report=tmp_path)) == figures(whole)


@pytest.mark.parametrize("what", ["logits", "width", "checksum"])
def test_damaged_logits_are_computed_anew(folder: Path, tmp_path: Path, what: str, caplog):
    kept = {"crops": [10], "logits": tmp_path / "logits"}
    whole = run(folder, "first", "second", **kept)
    (file, place) = {
        "logits": (next((tmp_path / "logits").glob("*.logits")), 20),
        "width": (tmp_path / "logits" / "images.bin", 1),
        "checksum": (tmp_path / "logits" / "images.bin", -1),
    }[what]
    content = bytearray(file.read_bytes())
    content[place] ^= 0x40
    file.write_bytes(content)
    for _ in range(2):
        found = run(folder, "first", "second", **kept)
        assert [row.outcome.losses.tolist() for row in found.rows] == [
            pytest.approx(row.outcome.losses.tolist(), abs=1e-5) for row in whole.rows
        ]
    assert caplog.text.count("the logits of 1 of 60 images are damaged, and computed anew") == 1


def test_logits_that_lost_their_description_serve_no_other_data(folder: Path, tmp_path: Path):
    others = Some()
    others.name = lambda index: f"other {index}"  # type: ignore[method-assign]
    others.read = lambda index: Some.read(others, DIGITS - 1 - index)  # type: ignore[method-assign]
    run(folder, "first", data=others, logits=tmp_path)
    (tmp_path / "view_logits.json").unlink()
    found, whole = run(folder, "first", logits=tmp_path), run(folder, "first")
    assert found.rows[0].outcome.losses == pytest.approx(whole.rows[0].outcome.losses, abs=1e-5)


def test_what_could_not_be_read_is_tried_again_and_named_again(folder: Path, tmp_path: Path, caplog):
    for _ in range(2):
        caplog.clear()
        found = run(folder, "first", data=Damaged(), report=tmp_path)
        assert [name for name, _ in found.unreadable] == [Some().name(3)]
        assert caplog.text.count("not a whole JPEG file") == 1
    found = run(folder, "first", data=Mended(), report=tmp_path)
    assert found.unreadable == ()
    assert found.rows[0].outcome.losses == pytest.approx(run(folder, "first").rows[0].outcome.losses, abs=1e-5)


def test_of_several_processes_the_first_tries_again(folder: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(evaluation_work, "SHARE", 7)
    monkeypatch.setenv("WORLD_SIZE", "2")
    data = Damaged()
    data.bad = 8  # of the second's share
    for mended in (False, True):
        data.bad = -1 if mended else data.bad
        for rank in (1, 0):
            monkeypatch.setenv("RANK", str(rank))
            found = googlenet.evaluate(folder / "first.safetensors", data, engine="torch", report=tmp_path)
        assert found is not None
        assert len(found.unreadable) == (0 if mended else 1)


def test_kept_logits_of_some_of_the_models_though_an_image_cannot_be_read(folder: Path, tmp_path: Path):
    both = run(folder, "first", "second", data=Damaged(), logits=tmp_path)
    alone = run(folder, "first", data=Damaged(), logits=tmp_path)
    assert figures(alone) == figures(both)[:1]
    with pytest.raises(BrokenOff, match="is not finished; first finish it with all it is for: first, second"):
        run(folder, "first", data=Mended(), logits=tmp_path)


def test_other_right_answers_are_another_evaluation(folder: Path, tmp_path: Path):
    for index in range(2):
        (tmp_path / f"{index}.png").write_bytes(Some().read(index))
    listed = tmp_path / "list.txt"
    listed.write_text("0.png 3|1\n1.png 4|5\n")
    run(folder, "first", data=listed, report=tmp_path / "report", logits=tmp_path / "logits")
    listed.write_text("0.png 3|7\n1.png 4|5\n")
    with pytest.raises(InputError, match=r"holds another evaluation .right answers: "):
        run(folder, "first", data=listed, report=tmp_path / "report", logits=tmp_path / "logits")
    assert run(folder, "first", data=listed, logits=tmp_path / "logits").images == 2  # they depend on pixels alone


def test_a_report_that_cannot_be_written_loses_nothing(folder: Path, tmp_path: Path):
    (tmp_path / "report.html").mkdir()
    with pytest.raises(BrokenOff, match=r"report.html: cannot be written"):
        run(folder, "first", report=tmp_path)
    (tmp_path / "report.html").rmdir()
    assert run(folder, "first", report=tmp_path).images == DIGITS


def test_weights_that_are_no_numbers_are_told(folder: Path, tmp_path: Path, caplog):
    checkpoint = read(folder / "first.safetensors")
    broken = {name: value * float("nan") for name, value in checkpoint.weights.items()}
    save(tmp_path / "broken.safetensors", replace(checkpoint, weights=broken))
    found = run(tmp_path, "broken")
    assert f"{DIGITS} of {DIGITS} answers are not numbers; the weights are broken" in caplog.text
    assert json.dumps(found.to_json(), allow_nan=False)
    assert found.to_json()["rows"][0]["loss"] is None


def test_numbers_that_mean_other_classes_in_another_order_are_told(tmp_path: Path, caplog):
    classes = tuple(Class(f"n{index}", f"n{index}") for index in range(3))
    for name, order in (("first", classes), ("second", classes[::-1])):
        network = Network(specification("googlenet-tiny", classes=3))
        initialise(network)
        save(tmp_path / f"{name}.safetensors", Checkpoint(network.specification, order, network.state_dict()))
    for index in range(3):
        (tmp_path / f"{index}.png").write_bytes(Some().read(index))
    (tmp_path / "list.txt").write_text("0.png 0\n1.png 1\n2.png 2\n")
    weights = [tmp_path / "first.safetensors", tmp_path / "second.safetensors"]
    googlenet.evaluate(weights, tmp_path / "list.txt", engine="torch")
    assert "other classes in the order of second; they are taken in that of first, which is named first" in caplog.text
    caplog.clear()
    googlenet.evaluate(weights[:1], tmp_path / "list.txt", engine="torch")
    assert "order of" not in caplog.text


def test_a_folder_that_another_process_has_finished_with(folder: Path, tmp_path: Path, monkeypatch):
    """Two of the same command share the records in the cache folder, and the first to end deletes them."""
    real = evaluation_work.Work.evaluation

    def after_the_other(self: object, journal: object, source: str) -> Evaluation:
        shutil.rmtree(journal.folder)  # type: ignore[attr-defined]
        return real(self, journal, source)  # type: ignore[arg-type]

    monkeypatch.setattr(evaluation_work.Work, "evaluation", after_the_other)
    assert run(folder, "first").images == DIGITS


def test_nothing_is_left_behind(folder: Path, cache: Path):
    run(folder, "first")
    assert not list((cache / "evaluations").glob("*"))


def test_until_sure_never_changes_the_answer(folder: Path):
    whole = run(folder, "first", "second", crops=[10])
    sure = run(folder, "first", "second", crops=[10], until_sure=0.0)
    for ours, theirs in zip(sure.rows, whole.rows, strict=True):
        assert ours.outcome.answers.tolist() == theirs.outcome.answers.tolist()
        assert [set(five) for five in ours.outcome.first] == [set(five) for five in theirs.outcome.first]
        assert ours.multiply_adds == theirs.multiply_adds
        assert ours.multiply_adds_performed <= theirs.multiply_adds_performed


def test_until_almost_sure_counts_what_it_changed(folder: Path):
    whole = run(folder, "first", crops=[10]).rows[0]
    (row,) = run(folder, "first", crops=[10], until_sure=0.3).rows
    assert row.checked == DIGITS / 10
    kept = np.arange(0, DIGITS, 10)
    same = [
        set(ours) == set(theirs) and ours[0] == theirs[0]
        for ours, theirs in zip(row.outcome.first[kept], whole.outcome.first[kept], strict=True)
    ]
    assert row.changed == same.count(False)
    assert row.to_json()["checked"] == DIGITS / 10


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"until_sure": 0.0, "combination": ["max"]}, "give --combination mean alone"),
        ({"until_sure": 0.7}, "must be a probability from 0 to below 0.5"),
        ({"crops": []}, "needs weights, crops and a combination"),
        ({"crops": [12]}, "crops '12' are not known"),
        ({"combination": ["median"]}, "combination 'median' is not known"),
        ({"logits": "x", "logits_as": "int8"}, "kept as float32 or float16"),
        ({"logits_as": "float16"}, "give --logits FOLDER too"),
    ],
)
def test_what_cannot_be_begun(folder: Path, options: dict[str, object], told: str):
    with pytest.raises(InputError, match=told):
        run(folder, "first", **options)


def test_a_full_disk_ends_it_and_loses_nothing(folder: Path, tmp_path: Path, monkeypatch):
    whole = run(folder, "first")
    real = evaluation_work.Journal.write

    def full(journal: object, image: int, record: object) -> None:
        if image >= 40:
            raise InputError("records.bin: cannot be written (No space left on device)")
        real(journal, image, record)  # type: ignore[arg-type]

    monkeypatch.setattr(evaluation_work.Journal, "write", full)
    with pytest.raises(BrokenOff, match="No space left on device"):
        run(folder, "first", report=tmp_path / "report")
    monkeypatch.undo()
    assert figures(run(folder, "first", report=tmp_path / "report")) == figures(whole)


def test_classes_of_nobody(folder: Path):
    data = Some()
    data.classes = tuple(replace(one, id=f"n{one.id}", name=f"n{one.id}") for one in data.classes)
    with pytest.raises(InputError, match=r"none of its classes \(n0, n1, .* is among those of first \(0, 1, "):
        run(folder, "first", data=data)


def test_classes_that_one_of_the_models_does_not_know(folder: Path, tmp_path: Path):
    network = Network(specification("googlenet-tiny", classes=2))
    for name, ids in (("animals", "cd"), ("mixed", ("9", "c"))):
        classes = tuple(Class(id_, id_) for id_ in ids)
        save(tmp_path / f"{name}.safetensors", Checkpoint(network.specification, classes, network.state_dict()))
    data = Some()
    data.labels, data.classes = data.labels % 2, data.classes[:2]
    for name in ("animals", "mixed"):
        with pytest.raises(InputError, match=rf"none of its classes \(0, 1\) is among those of {name} \((c, d|9, c)\)"):
            googlenet.evaluate([folder / "first.safetensors", tmp_path / f"{name}.safetensors"], data)
    data.labels, data.classes = Some().labels % 2 + 8, Some().classes
    ours = numbered_classes(10)[8:]
    for name, own in (("eight", ours[0]), ("nine", ours[1])):
        classes = (own, Class("c", "c"))
        save(tmp_path / f"{name}.safetensors", Checkpoint(network.specification, classes, network.state_dict()))
    with pytest.raises(InputError, match="is known to all models; evaluate them one by one"):
        googlenet.evaluate([tmp_path / "eight.safetensors", tmp_path / "nine.safetensors"], data)


def test_json(folder: Path):
    found = json.loads(json.dumps(run(folder, "first", crops=[10]).to_json()))
    assert found["images"] == DIGITS
    assert set(found["rows"][0]) >= {"models", "crops", "combination", "top1", "top5", "top1_interval", "top5_interval"}
    assert set(found["rows"][0]) >= {"multiply_adds", "multiply_adds_performed", "seconds_per_image"}


def _never(*arguments: object) -> Iterator[object]:
    raise AssertionError("a picture was read")
