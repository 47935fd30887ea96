"""Non-maximum suppression of 2,000 boxes in 200 classes: this package's two forms against OpenCV's, one thread each.

python benchmarks/suppression.py [--json benchmarks/results/suppression.json]
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from rounds import Result, measure, write

from googlenet.detection.boxes import suppress, suppress_classes, to_xywh

BOXES, CLASSES, ROUNDS = 2000, 200, 5


def boxes_like_proposals(random: np.random.Generator) -> np.ndarray:
    """Boxes in clusters around 60 places of a picture, as proposals lie."""
    corners, sizes = random.uniform(0, 400, (60, 2)), random.uniform(20, 250, (60, 2))
    of = random.integers(0, 60, BOXES)
    left = corners[of] + random.normal(0, 12, (BOXES, 2))
    return np.concatenate([left, left + sizes[of] * np.exp(random.normal(0, 0.25, (BOXES, 2)))], 1)


def opencv(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> list[np.ndarray]:
    sized = to_xywh(boxes)
    return [cv2.dnn.NMSBoxes(sized, one.astype(np.float32), 0.0, threshold) for one in scores.T]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="where to write every round")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    random = np.random.default_rng(0)
    boxes, scores = boxes_like_proposals(random), random.random((BOXES, CLASSES))
    results = []
    for threshold in (0.3, 0.7):
        result = Result("python benchmarks/suppression.py", {"threshold": threshold})
        forms = {
            "class by class": lambda threshold=threshold: [suppress(boxes, one, threshold) for one in scores.T],
            "OpenCV": lambda threshold=threshold: opencv(boxes, scores, threshold),
            "all classes": lambda threshold=threshold: suppress_classes(boxes, scores, threshold),
        }
        measure(forms, ROUNDS, result)
        results.append(result)
        print(f"threshold {threshold}, seconds for {BOXES:,} boxes and {CLASSES} classes, median of {ROUNDS} rounds:")
        for name in forms:
            least, ratio, most = result.ratios(name, "all classes")
            print(
                f"  {name:14}  {result.median(name):6.2f}  {ratio:5.2f} times all classes ({least:.2f} to {most:.2f})"
            )
    if options.json:
        write(options.json, results)


if __name__ == "__main__":
    main()
