"""What a detector finds in the pictures of a data set, by all boxes and by fewer, kept line by line.

The scores of all boxes are computed once. What the best 50, 100, 200 ... boxes of each picture would have given, and
those that a fast detector takes, comes of the same scores. What a kill leaves is gone on with.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.annotations import AnnotatedImages
from googlenet.detection.boxes import Boxes
from googlenet.detection.detector.detector import Detector
from googlenet.detection.detector.judging import Detected
from googlenet.detection.detector.settings import FAST
from googlenet.detection.proposals.coverage import Arm, Coverage
from googlenet.detection.proposals.pictures import Pictures
from googlenet.detection.proposals.proposing import propose
from googlenet.detection.proposals.sources import Found, MultiBoxSource
from googlenet.detection.proposals.union import ranked
from googlenet.errors import BrokenOff, InputError
from googlenet.files import atomic_write
from googlenet.reporting.console import say
from googlenet.reporting.progress import Progress

__all__ = ["COUNTS", "detect_all"]

COUNTS = tuple(50 * 2**power for power in range(8))
"""Numbers of boxes of a picture by which it is judged, as far as there are more."""

ALL, QUICK = "all", "fast"
"""What the boxes that a detector classifies are called, and those that a fast one does; others by their number."""


def detect_all(detector: Detector, images: AnnotatedImages, folder: Path, of: str) -> Detected:
    """Detect the objects of all pictures, and write files of lines, as `googlenet detect --json` prints them.

    The detector keeps its proposals (`cache`). `of` says what detects (its hash): what stands in files of another is
    made anew. Raises `BrokenOff` where they cannot be written.
    """
    covered = _cover(detector, images)
    files = {part: folder / ("detections.jsonl" if part == ALL else f"detections-{part}.jsonl") for part in covered}
    mark, of = folder / "detections.of", f"{of} {' '.join(files)}"
    if not mark.is_file() or mark.read_text(encoding="utf-8") != of:
        for path in files.values():
            path.unlink(missing_ok=True)
        with atomic_write(mark) as file:
            file.write(of.encode())
    done = _kept(list(files.values()))
    names = {images.name(index) for index in range(len(images))}
    errors = [line["error"] for line in done if "error" in line]
    seen = {line["file"] for line in done} & names
    left = ((name, kept) for name, kept in Pictures(None, images) if name not in seen)
    begun = time.perf_counter()
    try:
        with ExitStack() as stack:
            opened = {part: stack.enter_context(path.open("ab")) for part, path in files.items()}
            progress = stack.enter_context(Progress("detecting", total=len(images), start=len(seen), threshold=2))
            for scored in detector.score_named(left, partial(_boxes, detector)):
                image = scored.picture.image
                offered = None if isinstance(image, InputError) else _Offered.of(detector, image)
                for part, file in opened.items():
                    found = detector.detected(scored, slice(None) if offered is None else offered.rows(part))
                    file.write(json.dumps(found.to_json(detector.classes), ensure_ascii=True).encode() + b"\n")
                    file.flush()
                if isinstance(image, InputError):
                    errors.append(str(image))
                    say(str(image))
                progress.update()
            for file in opened.values():
                os.fsync(file.fileno())
    except InputError:
        raise
    except OSError as error:
        raise BrokenOff(f"{folder}: cannot be written ({error.strerror or error}); give another folder") from error
    count = len(images) - len(seen)
    seconds = {"detection": (time.perf_counter() - begun) / count} if count else {}
    return Detected(files, covered, errors, seconds)


@dataclass(frozen=True)
class _Offered:
    """The boxes of a picture that are scored, and which of them each part has."""

    boxes: Boxes
    """[N, 4]: all that the detector classifies, then what a fast one would beside them"""
    all: int
    fast: Boxes

    @classmethod
    def of(cls, detector: Detector, image: NDArray[np.uint8]) -> "_Offered":
        found = detector.propose(image)
        best = ranked(found)[: detector.settings.proposals]
        fast = ranked([found[number] for number in _multiboxes(detector)])[:FAST]
        known = set(map(tuple, best.tolist()))
        others = [box for box in fast.tolist() if tuple(box) not in known]
        return cls(np.concatenate([best, np.reshape(others, (-1, 4))]), len(best), fast)

    def rows(self, part: str) -> slice | NDArray[np.int64]:
        if part != QUICK:
            return slice(self.all if part == ALL else min(int(part), self.all))
        places = {tuple(box): place for place, box in enumerate(self.boxes.tolist())}
        return np.array([places[tuple(box)] for box in self.fast.tolist()], np.int64)


def _boxes(detector: Detector, image: NDArray[np.uint8]) -> Boxes:
    return _Offered.of(detector, image).boxes


def _multiboxes(detector: Detector) -> list[int]:
    """The numbers of the sources that a fast detector keeps."""
    return [number for number, source in enumerate(detector.sources) if isinstance(source, MultiBoxSource)]


def _cover(detector: Detector, images: AnnotatedImages) -> dict[str, Mapping[str, Any]]:
    """Propose for all pictures; return by which of its boxes each is judged, all the last, and what those cover."""
    names = tuple(source.name for source in detector.sources)
    arms = [Arm(tuple(range(len(names))), names)]
    if multiboxes := _multiboxes(detector):
        arms.append(Arm(tuple(multiboxes), tuple(names[number] for number in multiboxes)))
    most = detector.settings.proposals
    counts = tuple(sorted({*COUNTS, *([most] if most else [])}))
    coverage = Coverage(images.classes, tuple(arms), counts)
    answers = propose(Pictures(None, images), detector.sources, detector.cache)
    nothing = [Found(np.empty((0, 4)), np.empty(0))] * len(names)
    with Progress("proposing", total=len(images), threshold=2) as progress:
        for index, (_, answer) in enumerate(answers):
            coverage.add(images.objects(index), nothing if isinstance(answer, InputError) else answer.parts)
            progress.update()
    every, *fast = ({point["first"]: point for point in arm["curve"]} for arm in coverage.to_json()["arms"])
    found = {str(count): point for count, point in every.items() if count and (most is None or count < most)}
    for one in fast:
        found[QUICK] = one.get(FAST, one[None])
    return found | {ALL: every.get(most, every[None])}


def _kept(paths: Sequence[Path]) -> list[dict[str, str]]:
    """The whole lines of the last of some files, as many as all of them have, to which each is cut back."""
    found = [list(_lines(path)) for path in paths]
    count = min(map(len, found))
    for path, lines in zip(paths, found, strict=True):
        with suppress(FileNotFoundError):
            length = sum(size for _, size in lines[:count])
            if path.stat().st_size > length:
                os.truncate(path, length)
    return [line for line, _ in found[-1][:count]]


def _lines(path: Path) -> Iterator[tuple[dict[str, str], int]]:
    """Yield each line, without its detections, up to one that a kill has cut off, and its size in bytes."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for content in file:
            try:
                line = json.loads(content)
            except ValueError:
                return
            if not content.endswith(b"\n") or not isinstance(line, dict) or not isinstance(line.get("file"), str):
                return
            line.pop("detections", None)
            yield line, len(content)
