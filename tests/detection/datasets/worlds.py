"""Small data sets of each form, written by the tests that read them."""

import json
from pathlib import Path

import numpy as np
from PIL import Image


def picture(path: Path, size=(50, 40), seed=0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path, **options)


def voc_xml(objects, size=(50, 40)) -> str:
    """XML of objects, each (name, (xmin, ymin, xmax, ymax)) and perhaps True for difficult."""
    told = "".join(
        f"<object><name>{name}</name><difficult>{int(bool(more))}</difficult><bndbox>"
        + "".join(
            f"<{side}>{value}</{side}>" for side, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
        )
        + "</bndbox></object>"
        for name, box, *more in objects
    )
    declared = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>" if size else ""
    return f"<annotation>{declared}{told}</annotation>"


def voc(folder: Path, pictures, **lists) -> Path:
    """A VOC folder of pictures by name, each a list of objects, and of lists of names."""
    for seed, (name, objects) in enumerate(pictures.items()):
        picture(folder / "JPEGImages" / f"{name}.jpg", seed=seed)
        (folder / "Annotations").mkdir(exist_ok=True)
        (folder / "Annotations" / f"{name}.xml").write_text(voc_xml(objects))
    for split, names in lists.items():
        path = folder / "ImageSets" / "Main" / f"{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{name}\n" for name in names))
    return folder


def coco(path: Path, pictures=True, **change) -> Path:
    """COCO's JSON of two pictures, one of them with a dog and a crowd of cats."""
    content = {
        "images": [
            {"id": 5, "file_name": "a.jpg", "width": 50, "height": 40},
            {"id": 3, "file_name": "b.jpg", "width": 50, "height": 40},
        ],
        "categories": [{"id": 18, "name": "dog"}, {"id": 17, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 3, "category_id": 18, "bbox": [1, 2, 10.5, 20], "area": 99.5, "iscrowd": 0},
            {"id": 2, "image_id": 3, "category_id": 17, "bbox": [0, 0, 50, 40], "area": 700, "iscrowd": 1},
        ],
    } | change
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    for seed, name in enumerate(("a.jpg", "b.jpg") if pictures else ()):
        picture(path.parent / name, seed=seed)
    return path


def yolo(folder: Path, description: str, labels=(), pictures=("a.jpg", "b.jpg"), split="train") -> Path:
    """YOLO's folders; `labels` are pairs of a name and the text of its file."""
    for seed, name in enumerate(pictures):
        picture(folder / "images" / split / name, seed=seed)
    for name, text in labels:
        path = folder / "labels" / split / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    path = folder / "data.yaml"
    path.write_text(description)
    return path


def ilsvrc(folder: Path, pictures, blacklist=(), classes=(), part="val", **lists) -> Path:
    """ILSVRC's folders; `pictures` are lists of (id, corners) by name, `blacklist` pairs of number and id."""
    for seed, (name, objects) in enumerate(pictures.items()):
        picture(folder / "Data" / "DET" / part / f"{name}.JPEG", seed=seed, format="JPEG")
        path = folder / "Annotations" / "DET" / part / f"{name}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(voc_xml(objects))
    for split, lines in ({part: [f"{name} {n}" for n, name in enumerate(pictures, start=1)]} | lists).items():
        path = folder / "ImageSets" / "DET" / f"{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines))
    data = folder / "devkit" / "data"
    data.mkdir(parents=True, exist_ok=True)
    if classes:
        (data / "map_det.txt").write_text("".join(f"{one} {n} {name}\n" for n, (one, name) in enumerate(classes, 1)))
    if blacklist:
        lines = "".join(f"{n} {one}\n" for n, one in blacklist)
        (data / "ILSVRC2015_det_validation_blacklist.txt").write_text(lines)
    return folder
