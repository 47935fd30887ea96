"""Non-maximum suppression of 2,000 boxes in 200 classes: this package's two forms against OpenCV's.

    python benchmarks/suppression.py [--json]

The forms take turns in each of five rounds, with scores of their own in each round; one thread.
"""

import argparse
import json
import statistics
import time

import cv2
import numpy as np

from googlenet.detection.boxes import suppress, suppress_classes, to_xywh

BOXES, CLASSES, ROUNDS = 2000, 200, 5


def boxes_like_proposals(random: np.random.Generator) -> np.ndarray:
    """Boxes in clusters around 60 places of a picture, as proposals lie."""
    corners, sizes = random.uniform(0, 400, (60, 2)), random.uniform(20, 250, (60, 2))
    of = random.integers(0, 60, BOXES)
    left = corners[of] + random.normal(0, 12, (BOXES, 2))
    return np.concatenate([left, left + sizes[of] * np.exp(random.normal(0, 0.25, (BOXES, 2)))], 1)


FORMS = {
    "class by class": lambda boxes, scores, threshold: [suppress(boxes, one, threshold) for one in scores.T],
    "all classes": suppress_classes,
    "OpenCV": lambda boxes, scores, threshold: [
        cv2.dnn.NMSBoxes(to_xywh(boxes), one.astype(np.float32), 0.0, threshold) for one in scores.T
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print every round")
    as_json = parser.parse_args().json
    cv2.setNumThreads(1)
    random = np.random.default_rng(0)
    boxes = boxes_like_proposals(random)
    rounds = []
    for threshold in (0.3, 0.5, 0.7):
        for _ in range(ROUNDS):
            scores = random.random((BOXES, CLASSES))
            seconds = {}
            for name, form in FORMS.items():
                begun = time.process_time()
                kept = form(boxes, scores, threshold)
                seconds[name] = time.process_time() - begun
            rounds.append({"threshold": threshold, "kept": len(kept[0]), "seconds": seconds})
    if as_json:
        print(json.dumps(rounds))
        return
    print(f"{BOXES:,} boxes, {CLASSES} classes: seconds of a picture, median of {ROUNDS} rounds")
    for threshold in (0.3, 0.5, 0.7):
        here = [one for one in rounds if one["threshold"] == threshold]
        told = ", ".join(f"{name} {statistics.median(one['seconds'][name] for one in here):.2f}" for name in FORMS)
        print(f"threshold {threshold} (about {here[0]['kept']} kept of a class): {told}")


if __name__ == "__main__":
    main()
