"""What a detector finds in the pictures of a data set, kept line by line: what a kill leaves is gone on with."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from googlenet.detection.annotations import AnnotatedImages
from googlenet.detection.detector.detector import Detector
from googlenet.detection.proposals.pictures import Pictures
from googlenet.errors import BrokenOff, InputError
from googlenet.files import atomic_write
from googlenet.reporting.console import say
from googlenet.reporting.progress import Progress

__all__ = ["detect_all"]


def detect_all(detector: Detector, images: AnnotatedImages, path: Path, of: str) -> list[str]:
    """Detect the objects of all pictures and write them to `path`, as `googlenet detect --json` prints them.

    `of` says what detects (its hash): what stands in the file of another is made anew. Returns why each of the pictures
    that cannot be read is without detections. Raises `BrokenOff` where the file cannot be written.
    """
    mark = path.with_suffix(".of")
    if not mark.is_file() or mark.read_text(encoding="utf-8") != of:
        path.unlink(missing_ok=True)
        with atomic_write(mark) as file:
            file.write(of.encode())
    done = _kept(path)
    names = {images.name(index) for index in range(len(images))}
    errors = [line["error"] for line in done if "error" in line]
    seen = {line["file"] for line in done} & names
    left = ((name, kept) for name, kept in Pictures(None, images) if name not in seen)
    try:
        with (
            path.open("ab") as file,
            Progress("detecting", total=len(images), start=len(seen), threshold=2) as progress,
        ):
            for found in detector.detect_named(left):
                line = json.dumps(found.to_json(detector.classes), ensure_ascii=True) + "\n"
                file.write(line.encode())
                file.flush()
                if found.error is not None:
                    errors.append(found.error)
                    say(found.error)
                progress.update()
            os.fsync(file.fileno())
    except InputError:
        raise
    except OSError as error:
        raise BrokenOff(f"{path}: cannot be written ({error.strerror or error}); give another folder") from error
    return errors


def _kept(path: Path) -> list[dict[str, str]]:
    """The whole lines of a file, which is cut back to them."""
    lines = list(_lines(path))
    with suppress(FileNotFoundError):
        length = sum(size for _, size in lines)
        if path.stat().st_size > length:
            os.truncate(path, length)
    return [line for line, _ in lines]


def _lines(path: Path) -> Iterator[tuple[dict[str, str], int]]:
    """Yield each line, up to one that a kill has cut off, and its size in bytes."""
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
            yield line, len(content)
