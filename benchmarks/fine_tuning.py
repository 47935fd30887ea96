"""What `googlenet train --pretrained` reaches without another option, beside a linear classifier on the same weights.

    python benchmarks/fine_tuning.py DATA WEIGHTS [--seeds 0 1 2] [--json F] [-o FOLDER]

DATA holds `train` and `validation`, each a folder of class folders. Every seed is a run of the command line; the runs
stay in FOLDER, with their reports. The linear classifier is a logistic regression on `features(at="pool5")`, whose
strength of regularisation is chosen by cross-validation on the training images alone. Intervals are at 95 %: of the
mean over the seeds by Student's t, of the linear classifier by Wilson.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import googlenet
from googlenet import machine
from googlenet.data.sources import open_dataset
from googlenet.files import atomic_write
from googlenet.reporting.console import table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", type=Path)
    parser.add_argument("-o", dest="folder", type=Path)
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="fine-tuning-"))
    runs = [train(options.data, options.weights, seed, folder / f"seed-{seed}") for seed in options.seeds]
    right, images = linear_classifier(options.data, options.weights)
    print(f"{machine.processor()}; runs in {folder}")
    rows = []
    for weights in ("averaged", "raw"):
        rates = [run["evaluation"][weights]["top1"] for run in runs]
        rows.append([f"train, {weights} weights", *interval_of_mean(rates), ", ".join(f"{rate:.1%}" for rate in rates)])
    seconds = statistics.mean(run["seconds"] for run in runs)
    rows.append(["logistic regression on pool5", f"{right / images:.1%}", interval_of_share(right, images), ""])
    print(table(["classifier", "top-1", "95 % interval", "by seed"], rows))
    print(f"{images} validation images; {seconds:.0f} s a run")
    if options.json:
        result = {"command": sys.argv, "machine": str(machine.processor()), "runs": runs}
        result["logistic_regression"] = {"right": right, "images": images}
        with atomic_write(options.json) as file:
            file.write((json.dumps(result, indent=1) + "\n").encode())


def train(data: Path, weights: Path, seed: int, folder: Path) -> dict[str, Any]:
    """Run the command as a user gives it; return the run's summary."""
    command = [sys.executable, "-m", "googlenet", "train", str(data / "train")]
    command += ["--validation", str(data / "validation"), "--pretrained", str(weights), "-o", str(folder)]
    subprocess.run([*command, "--seed", str(seed)], check=True, stdout=subprocess.DEVNULL)
    return json.loads((folder / "summary.json").read_text())


def linear_classifier(data: Path, weights: Path) -> tuple[int, int]:
    """Return how many validation images are classified correctly, and how many there are."""
    model = googlenet.load(weights)
    parts = []
    for part in ("train", "validation"):
        images = open_dataset(str(data / part))
        names = [images.name(index) for index in range(len(images))]
        parts.append((model.features(names, at="pool5").reshape(len(names), -1), np.asarray(images.labels)))
    (x, labels), (unseen, truth) = parts
    strengths = LogisticRegressionCV(Cs=np.logspace(-5, 1, 13), cv=5, max_iter=5000, random_state=0, scoring="accuracy")
    classifier = make_pipeline(StandardScaler(), strengths).fit(x, labels)
    return int((classifier.predict(unseen) == truth).sum()), len(truth)


def interval_of_mean(rates: list[float]) -> tuple[str, str]:
    mean = statistics.mean(rates)
    if len(rates) < 2:
        return f"{mean:.1%}", ""
    half = stats.t.ppf(0.975, len(rates) - 1) * statistics.stdev(rates) / len(rates) ** 0.5
    return f"{mean:.1%}", f"{mean - half:.1%} to {min(1.0, mean + half):.1%}"


def interval_of_share(right: int, images: int) -> str:
    low, high = stats.binomtest(right, images).proportion_ci(method="wilson")
    return f"{low:.1%} to {high:.1%}"


if __name__ == "__main__":
    main()
