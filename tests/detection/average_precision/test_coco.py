"""COCO's figures against its own program, on sets full of crowds, ties and objects of all sizes."""

import contextlib
import io

import numpy as np
import pytest
from in_memory import Pictures, predicted, random_set
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from googlenet.detection.average_precision import evaluate
from googlenet.detection.boxes import to_xywh

NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


def theirs(data: Pictures, rows):
    """The twelve figures of pycocotools, and its precisions [T, 101, K, A, 3]; -1 without ground truth."""
    truth, results = COCO(), COCO()
    images = [{"id": number} for number in range(len(data))]
    categories = [{"id": number + 1, "name": one.id} for number, one in enumerate(data.classes)]
    annotations = []
    for picture, objects in enumerate(data.objects_of):
        for place, (label, box) in enumerate(objects):
            annotations.append(
                {
                    **{"id": len(annotations) + 1, "image_id": picture, "category_id": label + 1},
                    **{"bbox": to_xywh(box)[0].tolist(), "area": data.areas[picture][place]},
                    "iscrowd": int(data.crowd[picture][place]),
                }
            )
    found = [
        {
            **{"id": number, "image_id": picture, "category_id": label + 1, "score": score, "iscrowd": 0},
            **{"bbox": to_xywh(box)[0].tolist(), "area": float(np.prod(to_xywh(box)[0, 2:]))},
        }
        for number, (picture, label, score, box) in enumerate(rows, start=1)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        for one, listed in ((truth, annotations), (results, found)):
            one.dataset = {"images": images, "categories": categories, "annotations": listed}
            one.createIndex()
        evaluation = COCOeval(truth, results, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats, evaluation.eval["precision"]


def compare(data: Pictures, rows) -> None:
    stats, precision = theirs(data, rows)
    found = evaluate(predicted(rows, data), data, "coco")
    ours = [found.figures[name] for name in NAMES]
    assert [value is None for value in ours] == (stats == -1).tolist()
    assert [value for value in ours if value is not None] == pytest.approx(stats[stats != -1], abs=1e-6)
    expected = precision[..., 2].mean(axis=1).transpose(2, 0, 1)
    np.testing.assert_allclose(np.nan_to_num(found.precisions, nan=-1), expected, atol=1e-6)


@pytest.mark.parametrize("part", range(4))
def test_two_hundred_random_sets(part):
    compared = 0
    for seed in range(50 * part, 50 * part + 50):
        data, rows = random_set(seed)
        if any(not crowd for one in data.crowd for crowd in one):
            compare(data, rows)
            compared += 1
    assert compared >= 40


def test_more_than_a_hundred_detections_of_a_picture_and_class():
    data, rows = random_set(7, most=600)
    assert len(rows) > 400
    compare(data, rows)


def test_the_figures_have_their_usual_names():
    data = Pictures([[(0, (0, 0, 50, 50))]])
    found = evaluate(predicted([(0, 0, 0.9, (0, 0, 50, 50))], data), data, "coco")
    assert tuple(found.figures) == NAMES
    assert found.figures["APm"] == 1
    assert found.figures["APs"] is None
    assert found.to_json()["figures"]["APs"] == "no ground truth"
