"""The folder of an explanation: its pictures, the page that shows them, and the numbers as JSON."""

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from googlenet.evaluation.explain import Explanation
from googlenet.files import atomic_write
from googlenet.prediction.results import Prediction
from googlenet.reporting.console import json_line, percent, printable
from googlenet.reporting.heat import overlay, tiled
from googlenet.reporting.html import Figure, Illustration, Table, render
from googlenet.reporting.pictures import data_uri
from googlenet.reporting.sheet import Tile, draw_sheet
from googlenet.versions import versions

__all__ = ["about_rest", "evidence_rows", "named", "save_explanation", "write_members"]

SIDE = 448
"""Pixels, about, of the longer side of a picture on disk."""


def save_explanation(folder: str | os.PathLike[str], explanation: Explanation) -> list[Path]:
    """Write the page `explanation.html`, `explanation.json` and the pictures; return their paths, the page first.

    Raises `InputError` where the folder cannot be written.
    """
    folder = Path(folder)
    pictures = {"crop": _enlarged(explanation.crop)}
    pictures |= {"grad-cam": overlay(pictures["crop"], explanation.attribution.grad_cam)}
    pictures |= {"occlusion": overlay(pictures["crop"], explanation.occlusion.lost)}
    if len(explanation.filters):
        pictures |= {"filters": _filters(explanation.filters)}
    branches = _branch_pictures(explanation, pictures["crop"])
    modules = {name: overlay(pictures["crop"], one.grad_cam) for name, one in explanation.attributions.items()}
    paths = [folder / "explanation.html", folder / "explanation.json"]
    for name, picture in pictures.items():
        paths.append(folder / f"{name}.png")
        _write(paths[-1], _png(picture))
    for name, found, columns in (("branches", branches, len(branches)), ("modules", modules, 3)):
        paths.append(folder / f"{name}.png")
        draw_sheet(paths[-1], [Tile(picture, (caption,)) for caption, picture in found.items()], columns=columns)
    _write(paths[0], _page(explanation, pictures, branches, modules).encode())
    _write(paths[1], json_line(explanation.to_json()).encode() + b"\n")
    return paths


def write_members(explanations: Sequence[Explanation], folder: Path) -> list[Path]:
    """Write the folder of each member of an ensemble into `folder`, and a sheet that shows all; return the pages.

    A single explanation is written into `folder` itself.
    """
    if len(explanations) == 1:
        return save_explanation(folder, explanations[0])[:1]
    pages, tiles = [], []
    for number, one in enumerate(explanations, start=1):
        pages += save_explanation(folder / f"member-{number}", one)[:1]
        crop, sure = _enlarged(one.crop), percent(one.target.probability)
        tiles.append(Tile(crop, (f"{number}, {one.network}: {sure} {one.target.name}",)))
        tiles.append(Tile(overlay(crop, one.attribution.grad_cam), (f"Grad-CAM at {one.at}",)))
        tiles.append(Tile(overlay(crop, one.occlusion.lost), ("covered by a grey square",)))
    draw_sheet(folder / "members.png", tiles, columns=3)
    return pages


def evidence_rows(explanation: Explanation) -> tuple[list[str], list[list[object]]]:
    """Return the table of the evidence: its headers, and a row for each module."""
    rows: list[list[object]] = []
    for one in explanation.attributions.values():
        rows.append([one.module, *map(_signed, (*one.evidence.values(), one.rest))])
    return ["module", *explanation.attribution.evidence, "rest"], rows


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:+.2f}"  # no "-0.00"


def about_rest(explanation: Explanation) -> str:
    """Say what stands under "rest" in the table of the evidence."""
    exact = [f", but for {one.module}," for one in explanation.attributions.values() if one.is_exact]
    return f"The rest is the classifier's bias and{''.join(exact)} what is not linear behind the module."


def named(prediction: Prediction) -> str:
    """Return a class's name, with its id where that says more."""
    return prediction.name if prediction.name == prediction.id else f"{prediction.name} ({prediction.id})"


def _page(
    explanation: Explanation,
    pictures: Mapping[str, Image.Image],
    branches: Mapping[str, Image.Image],
    modules: Mapping[str, Image.Image],
) -> str:
    target, covered = explanation.target, explanation.occlusion
    height, width = covered.square
    left = f"{percent(float(covered.probability.min()))} of its {percent(target.probability)}"
    seen = {
        "What the network saw": pictures["crop"],
        f"Grad-CAM at {explanation.at}: where its features speak for the class": pictures["grad-cam"],
        f"Covered by a grey square of {width} x {height}: red where the class loses, blue where it gains;"
        f" {left} are left at the worst place": pictures["occlusion"],
    }
    filters = {f"{len(explanation.filters)} filters": pictures["filters"]} if "filters" in pictures else {}
    others = [Figure(named(one), percent(one.probability)) for one in explanation.predictions if one != target]
    return render(
        "explanation.html",
        title=f"Why {target.name.split(',')[0]}?",
        subtitle=f"{printable(Path(explanation.file).name)}, seen by {explanation.network}",
        figures=[
            Figure(named(target), percent(target.probability), note=f"logit {explanation.logit:.2f}"),
            *others[:3],
        ],
        seen=_illustrations(seen),
        branches=_illustrations(branches),
        modules=_illustrations(modules),
        filters=_illustrations(filters, 2 * SIDE),
        evidence=Table(*evidence_rows(explanation), "The evidence at every module", heads=1),
        about_rest=about_rest(explanation),
        explanation=explanation,
        versions=versions(),
    )


def _illustrations(pictures: Mapping[str, Image.Image], size: int = 320) -> list[Illustration]:
    return [Illustration(data_uri(picture, size), caption) for caption, picture in pictures.items()]


def _branch_pictures(explanation: Explanation, crop: Image.Image) -> dict[str, Image.Image]:
    """Return each branch's evidence on the crop, all on one scale, by a caption."""
    at = explanation.attribution
    limit = max(float(np.abs(places).max()) for places in at.maps.values())
    return {
        f"{branch}: {at.evidence[branch]:+.2f} of {explanation.logit:.2f}": overlay(crop, places, limit)
        for branch, places in at.maps.items()
    }


def _enlarged(crop: NDArray[np.uint8]) -> Image.Image:
    """Return the crop with each pixel a square, so large that a map on it can be looked at."""
    factor = max(1, round(SIDE / max(crop.shape[:2])))
    return Image.fromarray(crop.repeat(factor, axis=0).repeat(factor, axis=1))


def _filters(filters: NDArray[np.float32]) -> Image.Image:
    """Return the filters as pictures: grey is 0, and each has its own scale, but no faint one is blown up to noise."""
    largest = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
    scale = np.maximum(largest, 0.1 * largest.max()) + np.finfo(np.float32).tiny
    shown = np.rint(127.5 + 127.5 * filters / scale).astype(np.uint8)
    columns = int(np.ceil(np.sqrt(len(filters))))
    return tiled(shown, columns, max(1, SIDE // (columns * filters.shape[2])))


def _png(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as file:
        file.write(content)
