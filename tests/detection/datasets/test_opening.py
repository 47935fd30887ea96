"""What a path is taken for."""

import pytest
from worlds import coco, ilsvrc, voc, yolo

from googlenet.detection.datasets.opening import is_annotated, open_annotated
from googlenet.errors import InputError


def test_the_content_decides(tmp_path):
    made = {
        voc(tmp_path / "voc", {"1": [("dog", (1, 1, 2, 2))]}, test=["1"]): "Voc",
        tmp_path / "voc/ImageSets/Main/test.txt": "Voc",
        coco(tmp_path / "coco" / "a.json"): "Coco",
        yolo(tmp_path / "yolo", "train: images/train\nnames: [a]\n"): "Yolo",
        ilsvrc(tmp_path / "det", {"x": [("n1", (1, 1, 2, 2))]}) / "ImageSets/DET/val.txt": "Ilsvrc",
    }
    (tmp_path / "boxes.json").write_text('{"annotations.jpg": [{"wnid": "a", "box": [0, 0, 1, 1]}]}')
    made[tmp_path / "boxes.json"] = "LocalisationJson"
    for path, kind in made.items():
        assert is_annotated(path)
        assert type(open_annotated(path)).__name__ == kind
    assert is_annotated(tmp_path / "det")
    (tmp_path / "train.txt").write_text("a.jpg 0\n")
    assert not is_annotated(tmp_path / "train.txt")
    assert not is_annotated(tmp_path / "coco")


def test_what_it_is_not_is_told_with_what_is_near(tmp_path):
    voc(tmp_path / "VOC2007", {"1": [("dog", (1, 1, 2, 2))]})
    coco(tmp_path / "instances.json")
    with pytest.raises(InputError, match=r"no folder Annotations in it; .*, such as .*/VOC2007, .*/instances\.json"):
        open_annotated(tmp_path)
    with pytest.raises(InputError, match=r"a\.jpg: no annotations; give a VOC"):
        open_annotated(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="no such file or folder"):
        open_annotated(tmp_path / "nowhere")
    (tmp_path / "VOC2008" / "Annotations").mkdir(parents=True)
    with pytest.raises(InputError, match=r"no \.xml file in Annotations"):
        open_annotated(tmp_path / "VOC2008")
    (tmp_path / "VOC2007" / "JPEGImages").rename(tmp_path / "VOC2007" / "Pictures")
    with pytest.raises(InputError, match="JPEGImages: cannot be read"):
        open_annotated(tmp_path / "VOC2007")
