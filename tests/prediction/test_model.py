"""Against Caffe's own layer outputs and the public reference predictions on ImageNet photographs."""

import copy
import csv
import io
import itertools
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import googlenet
from googlenet.errors import InputError
from googlenet.inference.torch_engine import TorchEngine
from googlenet.network.cost import multiply_adds
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.zoo import specification
from googlenet.prediction.results import Answer, Prediction, rank
from googlenet.weights.checkpoint import Checkpoint, save
from googlenet.weights.classes import Class, numbered_classes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Weights of a tiny network and a few pictures."""
    folder = tmp_path_factory.mktemp("prediction")
    network = Network(specification("googlenet-tiny", classes=3))
    initialise(network, seed=2)
    classes = (Class("n1", "crane"), Class("n2", "crane"), Class("n3", "cup"))
    save(folder / "tiny.safetensors", Checkpoint(network.specification, classes, network.state_dict()))
    rng = np.random.default_rng(0)
    for index in range(5):
        pixels = rng.integers(0, 256, (40 + index, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    (folder / "broken.png").write_bytes((folder / "0.png").read_bytes()[:500])
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return googlenet.load(folder / "tiny.safetensors")


def test_three_lines_of_python(folder):
    model = googlenet.load(folder / "tiny.safetensors")
    for answer in model.predict([folder / "0.png", folder / "1.png"], top=3):
        print(answer.file, answer.best.name, f"{answer.best.probability:.1%}")
        assert sum(found.probability for found in answer.predictions) == pytest.approx(1, abs=1e-6)
        assert answer.best.probability == max(found.probability for found in answer.predictions)


def test_the_batch_size_changes_nothing(model, folder):
    paths = [folder / f"{index}.png" for index in range(5)]
    one, five = (list(model.predict(paths, batch_size=size)) for size in (1, 5))
    assert [answer.file for answer in one] == [str(path) for path in paths]
    for first, second in zip(one, five, strict=True):
        assert [found.index for found in first.predictions] == [found.index for found in second.predictions]
        for a, b in zip(first.predictions, second.predictions, strict=True):
            assert a.probability == pytest.approx(b.probability, abs=1e-6)


def test_a_path_and_its_pixels_give_the_same_answer(model, folder):
    pixels = np.array(Image.open(folder / "0.png"))
    by_path, by_pixels = model.predict([folder / "0.png", pixels])
    assert by_path.predictions == by_pixels.predictions
    assert by_pixels.file == "array 1"


def test_an_unreadable_image_is_named_and_the_others_are_done(model, folder):
    answers = list(model.predict([folder / "0.png", folder / "broken.png", folder / "missing.png", folder / "1.png"]))
    assert [answer.error is None for answer in answers] == [True, False, False, True]
    assert "broken.png: not a whole PNG file" in answers[1].error
    with pytest.raises(InputError, match=r"broken\.png"):
        _ = answers[1].best
    assert answers[1].to_json() == {"file": str(folder / "broken.png"), "error": answers[1].error}


def test_results_are_immutable(model, folder):
    (answer,) = model.predict([folder / "0.png"])
    with pytest.raises(AttributeError):
        answer.file = "other"
    with pytest.raises(AttributeError):
        answer.best.probability = 1.0


def test_features_are_rows_by_the_papers_names(model, folder):
    paths = [folder / "0.png", folder / "1.png"]
    features = model.features(paths, at="inception_5b")
    assert features.shape == (2, 256, 4, 4)
    assert features.dtype == np.float32
    pooled = model.features(paths, at="pool5")
    np.testing.assert_allclose(features.mean(axis=(2, 3)), pooled[:, :, 0, 0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("image", "complaint"),
    [
        (np.zeros((4, 4), np.uint8), "array 1: expected uint8 [height, width, 3], found uint8 [4, 4]"),
        (np.zeros((4, 4, 3)), "array 1: expected uint8 [height, width, 3], found float64 [4, 4, 3]"),
        (np.zeros((0, 4, 3), np.uint8), "array 1: expected uint8"),
        (b"no picture", "image 1: not a JPEG"),
        (io.StringIO("no picture"), "image 1: the file is open for text"),
        (7, "image 1: int is no picture"),
        (None, "image 1: NoneType is no picture"),
    ],
)
def test_what_is_no_picture_is_an_answer_among_others(model, folder, image, complaint):
    first, bad, last = model.predict([folder / "0.png", image, folder / "1.png"])
    assert bad.error.startswith(complaint)
    assert not bad.predictions
    assert first.best
    assert last.best


def test_every_kind_of_picture_gives_the_same_answer(model, folder):
    path = folder / "0.png"
    with path.open("rb") as file, Image.open(path) as opened:
        content = path.read_bytes()
        kinds = [path, str(path), bytearray(content), content, file, io.BytesIO(content), opened]
        kinds.append(np.array(opened))
        answers = list(model.predict(kinds))
    assert [answer.file for answer in answers] == [
        *[str(path)] * 2,
        "image 2",
        "image 3",
        str(path),
        "image 5",
        str(path),
        "array 7",
    ]
    for answer in answers:
        assert answer.predictions == answers[0].predictions
    for kind in (
        path,
        str(path),
        path.read_bytes(),
        io.BytesIO(path.read_bytes()),
        kinds[-1],
        Image.fromarray(kinds[-1]),
    ):
        (alone,) = model.predict(kind)
        assert alone.best.index == answers[0].best.index
    with pytest.raises(InputError, match="images are paths"):
        model.predict(7)


def test_a_generator_is_taken_as_it_comes_even_where_it_reuses_or_closes_what_it_gave(model, folder):
    expected = list(model.predict([folder / f"{index}.png" for index in range(5)]))
    taken = 0

    def frames():
        nonlocal taken
        buffer = np.empty((44, 50, 3), np.uint8)
        for index in range(5):
            taken += 1
            pixels = np.array(Image.open(folder / f"{index}.png"))
            frame = buffer[: len(pixels)]
            frame[:] = pixels
            yield frame
            buffer[:] = 0

    for ours, theirs in zip(model.predict(frames()), expected, strict=True):
        assert [found.index for found in ours.predictions] == [found.index for found in theirs.predictions]
    assert taken == 5

    def files():
        for index in range(5):
            with (folder / f"{index}.png").open("rb") as file:
                yield file

    assert [answer.file for answer in model.predict(files())] == [answer.file for answer in expected]
    assert not any(answer.error for answer in model.predict(files()))
    endless = model.predict(itertools.repeat(folder / "0.png"), batch_size=2)
    assert [next(endless).best.index for _ in range(5)] == [expected[0].best.index] * 5


def test_features_of_several_names_and_with_gradient(model, folder):
    paths = [folder / f"{index}.png" for index in range(3)]
    names = ["input", "inception_4a", "classifier"]
    found = model.features(paths, at=names, batch_size=2)
    assert list(found) == names
    assert {name: values.shape[0] for name, values in found.items()} == dict.fromkeys(names, 3)
    np.testing.assert_array_equal(found["inception_4a"], model.features(paths, at="inception_4a", batch_size=2))
    graph = model.features(paths, at=names, gradient=True)
    for name in names:
        np.testing.assert_allclose(graph[name].detach().numpy(), found[name], rtol=1e-4, atol=1e-4)
    (gradient,) = torch.autograd.grad(graph["classifier"][:, 1].sum(), graph["inception_4a"])
    assert gradient.shape == found["inception_4a"].shape
    assert gradient.abs().max() > 0


def test_embeddings_come_with_the_unreadable_ones_in_their_place(model, folder):
    paths = [folder / "0.png", folder / "broken.png", folder / "1.png"]
    first, broken, last = model.embed(paths, at=["pool5", "inception_5b"])
    assert "broken.png" in broken.error
    np.testing.assert_allclose(
        first.features["inception_5b"].mean(axis=(1, 2)), first.features["pool5"][:, 0, 0], rtol=1e-5
    )
    np.testing.assert_allclose(last.features["pool5"], model.features(paths[2], at="pool5")[0], rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="'pool9' is no layer"):
        model.embed(paths, at="pool9")
    with pytest.raises(InputError, match="no row or layer was named"):
        model.embed(paths, at=[])


def test_features_in_threads_are_those_of_each_picture(model, folder):
    paths = [folder / f"{index % 5}.png" for index in range(20)]
    expected = [model.features(path, at="inception_4a") for path in paths]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda path: model.features(path, at="inception_4a"), paths))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 33, 32, 3), (1, 64, 64, 3), (1, 32, 32, 1), (1, 32, 32, 4), (32, 32, 3)])
def test_crops_of_another_size_are_refused(model, shape):
    with pytest.raises(InputError, match=r"takes pictures as uint8 \[N, 32, 32, 3\]"):
        model.probabilities(np.zeros(shape, np.uint8))


def test_a_model_can_be_copied_and_pickled(model, folder):
    (expected,) = model.predict(folder / "0.png")
    for twin in (copy.deepcopy(model), copy.copy(model), pickle.loads(pickle.dumps(model))):
        (answer,) = twin.predict(folder / "0.png")
        assert answer == expected
        assert twin.classes == model.classes
        assert twin.specification == model.specification


def test_models_and_answers_are_short_to_read(model, folder):
    assert repr(model) == ("<Model googlenet-tiny: 3 classes, 32 x 32 pixels, float32, device auto, engine auto>")
    good, bad = model.predict([folder / "0.png", folder / "miss\ning.png"], top=1)
    assert repr(good).startswith(f"Answer('{folder}/0.png': <c")
    assert repr(good).endswith(" %>)")
    assert "miss" in repr(bad)
    assert "\n" not in repr(bad)
    assert repr(Prediction(2, "n3", "cup", 0.5)) == "<cup (n3): 50.0 %>"
    (found,) = model.embed(folder / "0.png")
    assert repr(found) == f"Embedding('{folder}/0.png': pool5 [256, 1, 1])"


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"engine": "magic"}, "engine 'magic' is not known"),
        ({"device": "magic"}, "device 'magic' is not known"),
        ({"precision": "int4"}, "precision 'int4' is not known"),
    ],
)
def test_what_this_machine_has_not_is_refused_when_loading(folder, settings, complaint):
    with pytest.raises(InputError, match=complaint):
        googlenet.load(folder / "tiny.safetensors", **({"device": "cpu"} | settings))


def test_features_of_an_unreadable_image_or_row_are_refused(model, folder):
    with pytest.raises(InputError, match=r"broken\.png"):
        model.features([folder / "broken.png"], at="pool5")
    with pytest.raises(InputError, match="'pool9' is no layer"):
        model.features([folder / "0.png"], at="pool9")
    with pytest.raises(InputError, match="no images"):
        model.features([], at="pool5")


def test_much_work_is_done_by_the_fastest_engine_with_the_same_answers(folder, monkeypatch):
    paths = [folder / f"{index}.png" for index in range(5)]
    plain, fast = (googlenet.load(folder / "tiny.safetensors", device="cpu") for _ in range(2))
    before, features = list(plain.predict(paths)), plain.features(paths, at="inception_4a")
    assert plain.predictor.engine == "torch"
    monkeypatch.setattr(googlenet.inference.predictor, "WORTH_PREPARING", 5 * multiply_adds(plain.specification))
    monkeypatch.setattr(
        googlenet.inference.predictor, "find_engines", lambda *given: {"torch": TorchEngine, "other": Other}
    )
    monkeypatch.setenv("GOOGLENET_FORMS", "inference=other")
    for path in paths[:4]:  # one by one
        list(fast.predict(path))
        assert fast.predictor.engine == "torch"
    list(fast.predict(paths[4]))
    assert fast.predictor.engine == "other"
    again = googlenet.load(folder / "tiny.safetensors", device="cpu")
    for ours, theirs in zip(again.predict(paths, batch_size=2), before, strict=True):
        assert again.predictor.engine == "other"
        assert ours.best.index == theirs.best.index
        assert ours.best.probability == pytest.approx(theirs.best.probability, abs=1e-5)
    np.testing.assert_allclose(again.features(paths, at="inception_4a"), features, atol=1e-4 * features.max())


class Other(TorchEngine):
    is_immediate = False


def test_equal_probabilities_are_ranked_by_index():
    classes = numbered_classes(4)
    found = rank(np.array([0.25, 0.25, 0.3, 0.2], np.float32), classes, 3)
    assert [item.index for item in found] == [2, 0, 1]


def test_an_answer_as_json():
    answer = Answer("a.jpg", (Prediction(2, "n3", "cup", 0.5),))
    assert answer.to_json() == {
        "file": "a.jpg",
        "predictions": [{"index": 2, "id": "n3", "name": "cup", "probability": 0.5}],
    }


@pytest.fixture(scope="module", params=["old", "new"])
def bvlc(request, shared, tmp_path_factory):
    """BVLC's network, imported from a .caffemodel of either generation of the format."""
    folder = tmp_path_factory.mktemp("bvlc")
    tool = [sys.executable, shared / "tools" / "make_caffemodel.py", shared / "weights" / "bvlc_googlenet.npz"]
    subprocess.run([*tool, folder / "bvlc.caffemodel", *(["--old"] if request.param == "old" else [])], check=True)
    checkpoint, _ = googlenet.import_weights(folder / "bvlc.caffemodel")
    save(folder / "bvlc.safetensors", checkpoint)
    return googlenet.load(folder / "bvlc.safetensors")


def test_caffes_layer_outputs(bvlc, shared):
    """Computed by Caffe on one 227 x 227 image: mtmd/GoogleNet_MATLAB, Intermed_Results."""
    with np.load(shared / "weights" / "bvlc_googlenet_activations_227.npz") as arrays:
        expected = {name: arrays[name] for name in arrays.files}
    x = torch.from_numpy(expected.pop("data")[::-1].copy())[None]  # stored as B, G, R
    ours = {"conv1/7x7_s2": "conv1", "pool1/norm1": "norm1", "conv2/norm2": "norm2", "pool2/3x3_s2": "pool2"}
    ours |= {"pool5/7x7_s1": "pool5", "loss3/classifier": "classifier"}
    names = {caffe: ours.get(caffe, caffe.removesuffix("/output")) for caffe in expected if caffe != "prob"}
    assert len(names) == 15
    # 227 pixels give the same 7 x 7 grid at the end, so the fixed 7 x 7 pool fits.
    found = bvlc.network.features(x, names.values())
    for caffe, name in names.items():
        target = expected[caffe].reshape(found[name].shape[1:])
        assert np.abs(found[name][0].numpy() - target).max() <= 2e-5 * np.abs(target).max(), name
    probabilities = torch.softmax(found["classifier"][0], dim=0).numpy()
    assert np.abs(probabilities - expected["prob"].ravel()).max() <= 1e-6


def test_reference_predictions_on_photographs(bvlc, shared):
    """What OpenCV's engine gives on equal pixels: 70 / 87 of 100 with Caffe's squash, 67 / 89 by the short side."""
    data = shared / "data" / "imagenet-val-100"
    with (data / "reference_predictions.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    pixels = bvlc.specification.pixels
    for column, geometry, right in (("squash256", "squash", (70, 87)), ("short256", "short-side", (67, 89))):
        bvlc.specification = replace(
            bvlc.specification, pixels=replace(pixels, resize=replace(pixels.resize, geometry=geometry))
        )
        answers = bvlc.predict([data / row["file"] for row in rows], top=1000)
        ranks = []
        for row, answer in zip(rows, answers, strict=True):
            by_index = {found.index: found.probability for found in answer.predictions}
            order = [found.index for found in answer.predictions]
            assert answer.best.index == int(row[f"bvlc_{column}_top1"])
            assert answer.best.probability == pytest.approx(float(row[f"bvlc_{column}_prob"]), abs=1e-5)
            label_probability = float(row[f"bvlc_{column}_label_prob"])
            assert by_index[int(row["label"])] == pytest.approx(label_probability, abs=1e-5)
            ranks.append(order.index(int(row["label"])) + 1)
        assert (sum(place <= 1 for place in ranks), sum(place <= 5 for place in ranks)) == right
    bvlc.specification = replace(bvlc.specification, pixels=pixels)


@pytest.mark.parametrize("value", [1.5, None, "3", True, 0])
def test_counts_are_whole_numbers_before_anything_is_computed(model, folder, value):
    for give in ({"top": value}, {"batch_size": value}):
        with pytest.raises(InputError, match=f"^{next(iter(give))} must be a whole number of at least 1, found"):
            model.predict([folder / "0.png"], **give)


@pytest.mark.parametrize("at", [None, 5, [1], ["pool5", None]])
def test_names_of_rows_are_texts(model, folder, at):
    with pytest.raises(InputError, match=r"^at: .* is no name; give rows or layers"):
        model.features([folder / "0.png"], at=at)


@pytest.mark.parametrize("classes", [2.0, True, "5"])
def test_classes_are_counted_with_and_without_weights(folder, classes):
    for give in ({}, {"pretrained": folder / "tiny.safetensors"}):
        with pytest.raises(InputError, match=r"^classes must be a whole number"):
            googlenet.create(classes=classes, **give)


@pytest.mark.parametrize("device", ["cpu", "cpu:0", torch.device("cpu"), torch.device("cpu", 0)])
def test_a_device_may_be_torchs(folder, device):
    model = googlenet.load(folder / "tiny.safetensors", device=device)
    assert model.predictor.device == "cpu"


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_gradient_that_is_asked_for_is_there_whatever_is_switched_off(folder, mode):
    path = folder / "0.png"
    with mode():
        model = googlenet.load(folder / "tiny.safetensors", device="cpu")
        found = model.features([path], at=["pool5", "classifier"], gradient=True)
    (gradient,) = torch.autograd.grad(found["classifier"][:, 1].sum(), found["pool5"])
    assert gradient.abs().sum() > 0


def test_an_unknown_precision_is_named(folder):
    with pytest.raises(InputError, match="precision 'bogus' is not known; there is float32, bfloat16, int8"):
        googlenet.load(folder / "tiny.safetensors", precision="bogus")
