"""What a detector finds in the pictures of a data set, by all boxes and by fewer, kept line by line.

What the networks say of all boxes is computed once, and kept. What the best 50, 100, 200 ... boxes of each picture
would have given, by their sources' own order and by that of a cheap rejection, and those that a fast detector takes,
comes of the same. What a kill leaves is gone on with.
"""

import hashlib
import json
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.annotations import AnnotatedImages
from googlenet.detection.boxes import Boxes
from googlenet.detection.detector.detector import Detector
from googlenet.detection.detector.judging import Covered, Detected
from googlenet.detection.detector.kept_answers import KeptAnswers, Known
from googlenet.detection.detector.settings import FAST
from googlenet.detection.proposals.coverage import Arm, Coverage
from googlenet.detection.proposals.pictures import Pictures
from googlenet.detection.proposals.sources import Found, MultiBoxSource
from googlenet.detection.proposals.union import ranked
from googlenet.detection.regions.pipeline import Boxed, Read
from googlenet.detection.regions.scoring import Scored
from googlenet.errors import BrokenOff, InputError
from googlenet.files import atomic_write
from googlenet.images.reading import Kept, read_prepared
from googlenet.records import encode
from googlenet.reporting.console import say
from googlenet.reporting.progress import Progress
from googlenet.training.folder import alone_in

__all__ = ["COUNTS", "detect_all"]

COUNTS = tuple(50 * 2**power for power in range(8))
"""Numbers of boxes of a picture by which it is judged, as far as there are more."""

ALL, QUICK, BY_CONFIDENCE = "all", "fast", "-by-confidence"
"""What the boxes that a detector classifies are called, and those that a fast one does; others by their number, with
an ending where they are the best of what rejects the others."""


def detect_all(detector: Detector, images: AnnotatedImages, folder: Path, of: str, kept: Path) -> Detected:
    """Detect the objects of all pictures, and write files of lines, as `googlenet detect --json` prints them.

    The detector keeps its proposals (`cache`), and what its networks say in the folder `kept`, where any detector of
    the same networks finds it. `of` says what detections depend on beside the boxes (weights, what refines them,
    precision): what stands in files of another is made anew, as where a picture has changed or could not be read.
    Raises `InputError` where another process does so in this folder, or the files are none of ours, `BrokenOff` where
    they cannot be written.
    """
    with alone_in(folder, doing="detects"):
        return _detect_all(detector, images, folder, of, kept)


def _detect_all(detector: Detector, images: AnnotatedImages, folder: Path, of: str, kept: Path) -> Detected:
    covered = _cover(detector, images)
    files = {part: folder / ("detections.jsonl" if part == ALL else f"detections-{part}.jsonl") for part in covered}
    _claim(detector, list(files.values()), folder / "detections.of", [of, _digest_of(images)])
    done = _kept(list(files.values()))
    # What was wrong with a picture may have been mended; the answers for the others are kept.
    if any("error" in line for line in done):
        for path in files.values():
            path.unlink()
        done = []
    names = {images.name(index) for index in range(len(images))}
    errors = list[str]()
    seen = {line["file"] for line in done} & names
    left = ((name, kept) for name, kept in Pictures(None, images) if name not in seen)
    answers = detector.answers_in(kept)
    if len(seen) < len(images) and (width := detector.features_width):
        regions = round(covered[ALL].boxes * len(images))
        size = f"{regions * 2 * width / 2**20:,.1f} MiB on the disk"
        say(f"features of {regions:,} regions, {width:,} numbers each, unless they are kept: {size}")
    begun, computed = time.perf_counter(), 0
    try:
        with ExitStack() as stack:
            opened = {part: stack.enter_context(path.open("ab")) for part, path in files.items()}
            progress = stack.enter_context(Progress("detecting", total=len(images), start=len(seen), threshold=2))
            for offered, scored, is_new in _scored(detector, left, answers):
                for part, file in opened.items():
                    found = detector.detected(scored, slice(None) if offered is None else offered.rows(part))
                    file.write(json.dumps(found.to_json(detector.classes), ensure_ascii=True).encode() + b"\n")
                    file.flush()
                if isinstance(scored.picture.image, InputError):
                    errors.append(str(scored.picture.image))
                    say(str(scored.picture.image))
                computed += is_new
                progress.update()
            for file in opened.values():
                os.fsync(file.fileno())
    except InputError:
        raise
    except OSError as error:
        raise BrokenOff(f"{folder}: cannot be written ({error.strerror or error}); give another folder") from error
    seconds = {"detection": (time.perf_counter() - begun) / computed} if computed else {}
    settings = {"sources": " + ".join(one.name for one in detector.sources)} | detector.settings.told()
    return Detected(files, covered, errors, seconds, settings)


@dataclass(frozen=True)
class _Offered:
    """A picture, and the boxes of it that are scored."""

    image: NDArray[np.uint8]
    boxes: Boxes
    """[N, 4]: all that the detector classifies, then what a fast one would beside them"""
    count: int
    """of those that the detector classifies"""
    orders: Mapping[str, Boxes]
    """what comes first of them: by the sources' own order, by confidence, and what a fast one takes"""

    @classmethod
    def of(cls, detector: Detector, image: NDArray[np.uint8]) -> "_Offered":
        found, most = detector.propose(image), detector.settings.proposals
        own = ranked(found)
        fast = ranked([found[number] for number in _multiboxes(detector)])[:FAST]
        best = detector.judged(image, found).boxes if detector.rejector else own
        classified = own if most is None else best[:most]
        known = set(map(tuple, classified.tolist()))
        others = [box for box in fast.tolist() if tuple(box) not in known]
        orders = {"": own if detector.rejector is None or most is None else best, BY_CONFIDENCE: best, QUICK: fast}
        return cls(image, np.concatenate([classified, np.reshape(others, (-1, 4))]), len(classified), orders)

    def rows(self, part: str) -> slice | NDArray[np.int64]:
        """Return which of the boxes a part has, the first of its order first."""
        if part == ALL:
            return slice(self.count)
        if part == QUICK:
            return self._places(self.orders[QUICK])
        is_by_confidence = part.endswith(BY_CONFIDENCE)
        number = int(part.removesuffix(BY_CONFIDENCE))
        return self._places(self.orders[BY_CONFIDENCE if is_by_confidence else ""][:number])

    def _places(self, boxes: Boxes) -> NDArray[np.int64]:
        return np.array([self._known[tuple(box)] for box in boxes.tolist()], np.int64)

    @cached_property
    def _known(self) -> dict[tuple[float, ...], int]:
        return {tuple(box): place for place, box in enumerate(self.boxes.tolist())}


def _scored(
    detector: Detector, named: Iterator[tuple[str, Kept]], answers: KeptAnswers
) -> Iterator[tuple[_Offered | None, Scored, bool]]:
    """Yield each picture's boxes with their scores, and whether these were computed now; None for a broken picture."""
    waiting: deque[tuple[_Offered, Boxed, Known] | None] = deque()

    def pictures() -> Iterator[Boxed]:
        for name, offered in read_prepared(named, partial(_Offered.of, detector)):
            if isinstance(offered, InputError):
                waiting.append(None)
                yield Boxed(name, offered)
            else:
                picture = detector.looked_at(Boxed(name, offered.image, offered.boxes))
                known = answers.known(picture)
                waiting.append((offered, picture, known))
                yield replace(picture, boxes=known.lacking(picture.boxes))

    for read in detector.read(pictures()):
        if (one := waiting.popleft()) is None:
            yield None, detector.scored(read), False
            continue
        offered, picture, known = one
        known, is_new = known.joined(read), len(read.picture.boxes) > 0
        if is_new:
            answers.keep(picture, known)
        yield offered, detector.scored(Read(picture, known.answers(picture.boxes))), is_new


def _multiboxes(detector: Detector) -> list[int]:
    """The numbers of the sources that a fast detector keeps."""
    return [number for number, source in enumerate(detector.sources) if isinstance(source, MultiBoxSource)]


def _cover(detector: Detector, images: AnnotatedImages) -> dict[str, Covered]:
    """Propose for all pictures; return by which of its boxes each is judged, all the last, and what those cover."""
    names, rejector, most = tuple(one.name for one in detector.sources), detector.rejector, detector.settings.proposals
    arms = {ALL: Arm(tuple(range(len(names))), names)}
    if multiboxes := _multiboxes(detector):
        arms[QUICK] = Arm(tuple(multiboxes), tuple(names[number] for number in multiboxes))
    if rejector:
        arms[BY_CONFIDENCE] = Arm((len(names),), (rejector.name,))
    coverage = Coverage(images.classes, tuple(arms.values()), tuple(sorted({*COUNTS, *([most] if most else [])})))

    def proposed(image: NDArray[np.uint8]) -> tuple[Found, ...]:
        found = detector.propose(image)
        return (*found, detector.judged(image, found)) if rejector else found

    nothing = [Found(np.empty((0, 4)), np.empty(0))] * (len(names) + 1)
    with Progress("proposing", total=len(images), threshold=2) as progress:
        for index, (_, found) in enumerate(read_prepared(Pictures(None, images), proposed)):
            coverage.add(images.objects(index), nothing if isinstance(found, InputError) else found)
            progress.update()
    told = coverage.to_json()["arms"]
    curves = {key: {point["first"]: point for point in arm["curve"]} for key, arm in zip(arms, told, strict=True)}
    return _parts(curves, most, rejector.name if rejector else None)


_Curve = Mapping[int | None, Mapping[str, float]]
"""What the first boxes of an order cover, by their number; None: all."""


def _parts(curves: Mapping[str, _Curve], most: int | None, rejector: str | None) -> dict[str, Covered]:
    """Return by which boxes a detector is judged that classifies `most` (None: all), and what they cover."""
    total = curves[ALL][None]

    def covered(name: str, point: Mapping[str, float], rejected_by: str | None = None) -> Covered:
        lost = None if total["recall"] is None else total["recall"] - point["recall"]
        return Covered(name, point["boxes"], point["recall"], rejected_by, total["boxes"] - point["boxes"], lost)

    def fewer(order: str) -> dict[int, Mapping[str, float]]:
        found = curves.get(order, {})
        return {count: point for count, point in found.items() if count and (most is None or count < most)}

    parts = dict[str, Covered]()
    if rejector is None or most is None:  # otherwise other boxes are scored
        parts |= {f"{count}": covered(f"{count}", point) for count, point in fewer(ALL).items()}
    for count, point in fewer(BY_CONFIDENCE).items():
        parts[f"{count}{BY_CONFIDENCE}"] = covered(f"{count}", point, rejector)
    if QUICK in curves:
        parts[QUICK] = covered(QUICK, curves[QUICK].get(FAST, curves[QUICK][None]))
    order = curves.get(BY_CONFIDENCE, curves[ALL])
    parts[ALL] = covered(ALL, order.get(most, order[None]), rejector if most else None)
    return parts


def _digest_of(images: AnnotatedImages) -> str:
    """A hash of the bytes of all pictures."""
    digest = hashlib.sha256()
    for index in range(len(images)):
        try:
            digest.update(hashlib.sha256(images.read(index)).digest())
        except (InputError, OSError):
            digest.update(b"cannot be read")
    return digest.hexdigest()


def _claim(detector: Detector, files: Sequence[Path], mark: Path, of: Sequence[str]) -> None:
    """Delete what was found by something else, or chosen otherwise; not what never was ours."""
    rejecting = detector.rejector and detector.rejector.key
    keys = [*(source.key for source in detector.sources), rejecting]
    now = json.dumps([*of, encode(detector.settings), keys, [path.name for path in files]]).encode()
    for path in files:
        if path.is_dir() or (path.exists() and not mark.is_file()):
            raise InputError(f"{path}: not written by an evaluation in this folder; give another folder")
    if not mark.is_file() or mark.read_bytes() != now:
        for path in files:
            path.unlink(missing_ok=True)
        with atomic_write(mark) as file:
            file.write(now)


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
