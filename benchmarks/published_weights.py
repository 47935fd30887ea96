"""How closely published weights, imported here, reproduce what other engines computed with them.

    python benchmarks/published_weights.py ../shared

The folder holds third-party weights, Caffe's layer outputs and 100 ImageNet photographs with reference predictions; it
is no part of the repository. Prints one table for each comparison; `--json FILE` keeps every figure.
"""

import argparse
import csv
import hashlib
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import googlenet
from googlenet.images.decoding import decode
from googlenet.images.preprocessing import prepare
from googlenet.network.specification import Resize
from googlenet.prediction.model import Model
from googlenet.reporting.console import table
from googlenet.weights.classes import ilsvrc

CAFFE_NAMES = {"conv1/7x7_s2": "conv1", "pool1/norm1": "norm1", "conv2/norm2": "norm2", "pool2/3x3_s2": "pool2"}
CAFFE_NAMES |= {"pool5/7x7_s1": "pool5", "loss3/classifier": "classifier"}

SQUASH = Resize("squash", 256, antialias=False)
SHORT_SIDE = Resize("short-side", 256, antialias=False)
SQUARE_PILLOW = Resize("centre-square", 224)
SHORT_SIDE_PILLOW = Resize("short-side", 256)


def main() -> None:
    """Compare everything that the folder has references for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for generation in ("new", "old"):
            path = make(options.shared, "make_caffemodel.py", "bvlc_googlenet.npz", Path(temporary, "bvlc"), generation)
            model = Model(googlenet.import_weights(path)[0])
            results[f"bvlc {generation}"] = layers(model, options.shared)
        results["bvlc photographs"] = photographs(
            model, options.shared, {"bvlc_squash256": SQUASH, "bvlc_short256": SHORT_SIDE}, "caffe"
        )
        path = make(options.shared, "make_graphdef.py", "google_inception_v1.npz", Path(temporary, "google.pb"), "new")
        model = Model(googlenet.import_weights(path)[0])
        results["google dog"] = dog(model, options.shared)
        results["google photographs"] = photographs(
            model, options.shared, {"google_square224": SQUARE_PILLOW, "google_short256": SHORT_SIDE_PILLOW}, "google"
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


def make(shared: Path, tool: str, weights: str, output: Path, generation: str) -> Path:
    """Write the weights in the form in which they were published."""
    extra = ["--old"] if generation == "old" else []
    command = [sys.executable, shared / "tools" / tool, shared / "weights" / weights, output, *extra]
    subprocess.run([str(part) for part in command], check=True)
    return output


def layers(model: Model, shared: Path) -> dict[str, float]:
    """Compare each stored layer output of Caffe for one 227 x 227 picture."""
    with np.load(shared / "weights" / "bvlc_googlenet_activations_227.npz") as arrays:
        expected = {name: arrays[name] for name in arrays.files}
    x = torch.from_numpy(expected.pop("data")[::-1].copy())[None]
    names = {caffe: CAFFE_NAMES.get(caffe, caffe.removesuffix("/output")) for caffe in expected if caffe != "prob"}
    found = model.network.features(x, names.values())
    errors = {}
    for caffe, name in names.items():
        target = expected[caffe].reshape(found[name].shape[1:])
        errors[caffe] = float(np.abs(found[name][0].numpy() - target).max() / np.abs(target).max())
    probabilities = torch.softmax(found["classifier"][0], dim=0).numpy()
    errors["prob (absolute)"] = float(np.abs(probabilities - expected["prob"].ravel()).max())
    print(table(["layer of Caffe", "largest error / largest value"], [(k, f"{v:.1e}") for k, v in errors.items()]))
    print()
    return errors


def photographs(model: Model, shared: Path, ways: dict[str, Resize], order: str) -> dict[str, dict[str, float]]:
    """Compare pixels, probabilities and ranks on the 100 photographs, under each way of preparing them."""
    data = shared / "data" / "imagenet-val-100"
    predictions, digits = (_rows(data / f"reference_{name}.tsv") for name in ("predictions", "pixels"))
    pictures = [decode(data / row["file"]) for row in predictions]
    to_caffe = _to_caffe(model, order)
    results = {}
    for column, resize in ways.items():
        pixels = replace(model.specification.pixels, resize=resize)
        crops = np.stack([prepare(picture, pixels, (224, 224)) for picture in pictures])
        equal = sum(_digits(crop) == row[column] for crop, row in zip(crops, digits, strict=True))
        probabilities = np.concatenate([model.probabilities(part) for part in np.array_split(crops, 4)])
        labels = np.array([int(row["label"]) for row in predictions])
        probabilities = probabilities[:, to_caffe]
        of_label = probabilities[np.arange(len(labels)), labels]
        ranks = 1 + (probabilities > of_label[:, None]).sum(axis=1)
        best = np.array([float(row[f"{column}_prob"]) for row in predictions])
        reference = np.array([float(row[f"{column}_label_prob"]) for row in predictions])
        results[column] = {
            "crops equal": int(equal),
            "top-1": int((ranks <= 1).sum()),
            "top-5": int((ranks <= 5).sum()),
            "largest difference of the best probability": float(np.abs(probabilities.max(axis=1) - best).max()),
            "largest difference of the label's probability": float(np.abs(of_label - reference).max()),
        }
    headers = ["of 100 photographs", *next(iter(results.values()))]
    rows = [[name, *(f"{v:.1e}" if isinstance(v, float) else v for v in r.values())] for name, r in results.items()]
    print(table(headers, rows))
    print()
    return results


def dog(model: Model, shared: Path) -> dict[str, float]:
    """Google's own example, and the mean and deviation of some layers."""
    (answer,) = model.predict([shared / "weights" / "google_inception_dog.jpg"])
    rows = [(found.index, found.name, f"{found.probability:.6f}") for found in answer.predictions]
    print(table(["output", "google_inception_dog.jpg", "probability"], rows))
    print()
    return {str(found.index): found.probability for found in answer.predictions}


def _to_caffe(model: Model, order: str) -> list[int]:
    """Return where each class of Caffe's order stands among the outputs, by id."""
    if order == "caffe":
        return list(range(1000))
    places = {item.id: index for index, item in enumerate(model.classes)}
    return [places[item.id] for item in ilsvrc("caffe")]


def _digits(crop: np.ndarray) -> str:
    return hashlib.sha256(crop.tobytes()).hexdigest()[:16]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


if __name__ == "__main__":
    main()
