"""Public weights by name: fetched once, checked, kept in the user's cache, and imported.

A download that is cut goes on where it stopped, within one call and in the next. What a server says about length and
kind is not believed; the published size and SHA-256 decide.
"""

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from googlenet.errors import InputError, is_number, shown
from googlenet.machine import cache_folder
from googlenet.weights import importers
from googlenet.weights.checkpoint import save
from googlenet.weights.importers import Report

__all__ = ["PUBLISHED", "Progress", "Publication", "download", "fetch"]

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there and how many there will be, where that is known."""

LARGEST = 2**30
"""Bytes; no file of a GoogLeNet is larger."""

TRIES = 5
"""How often in a row a connection may end without a byte."""

PATIENCE = 30.0
"""Seconds of silence after which a connection counts as cut."""

CHUNK = 2**16


@dataclass(frozen=True)
class Publication:
    """A public file: `sha256` may be its first digits alone, `size` (bytes) may be unknown."""

    address: str
    file: str
    sha256: str
    size: int | None = None


PUBLISHED = {
    # Size and SHA-256: openvinotoolkit/open_model_zoo models/public/googlenet-v1/model.yml.
    "bvlc": Publication(
        "http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel",
        "bvlc_googlenet.caffemodel",
        "6f7101e3a2183738a7125a0c5021ba82a1feb4228c5ca0924d991b6daf6f6fad",
        53_533_754,
    ),
    # SHA-256: tensorflow/tensorflow WORKSPACE (r1.3).
    "google": Publication(
        "https://storage.googleapis.com/download.tensorflow.org/models/inception5h.zip",
        "inception5h.zip",
        "d13569f6a98159de37e92e9c8ec4dae8f674fbf475f69fe6199b514f756d4364",
    ),
    # The file's name ends with the first digits of its SHA-256: pytorch/vision torchvision/models/googlenet.py.
    "torchvision": Publication(
        "https://download.pytorch.org/models/googlenet-1378be20.pth", "googlenet-1378be20.pth", "1378be20"
    ),
}
"""The public weights by the names that `googlenet download` knows them by."""


def download(
    name: str,
    output: str | os.PathLike[str] | None = None,
    *,
    cache: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> tuple[Path, Report]:
    """Fetch the weights called `name`, import them, and write a checkpoint to `output` (default: NAME.safetensors).

    Returns the checkpoint's path and what the importer found. Raises `InputError` for an unknown name, where there is
    no network, and where what came is not what was published.
    """
    if name not in PUBLISHED:
        raise InputError(f"no weights are called '{shown(name)}'; there are {', '.join(PUBLISHED)}")
    publication = PUBLISHED[name]
    fetched = fetch(publication, Path(cache) if cache is not None else cache_folder(), progress)
    checkpoint, report = importers.import_weights(fetched)
    path = Path(output if output is not None else f"{name}.safetensors")
    save(path, replace(checkpoint, provenance={**checkpoint.provenance, "address": publication.address}))
    return path, report


def fetch(publication: Publication, folder: Path, progress: Progress | None = None) -> Path:
    """Return the path of a published file in `folder`, fetched unless it is there and whole."""
    target, part = folder / publication.file, folder / f"{publication.file}.part"
    if target.is_file() and _fault(publication, target) is None:
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for again in (part.is_file(), False):  # what an earlier call left may be the beginning of another file
            if not part.is_file() or _fault(publication, part):
                _receive(publication, part, progress)
            fault = _fault(publication, part)
            if fault is None:
                part.replace(target)
                return target
            part.unlink()
            if not again:
                raise InputError(f"{publication.address}: what came is not what was published ({fault}); {_MEND}")
    except OSError as error:
        raise InputError(f"{part}: cannot be written ({error.strerror or error})") from error
    raise AssertionError("the second turn ends in a file or an error")


_MEND = "fetch the file by other means and give it to `googlenet import`"


class _CutError(Exception):
    """The connection ended before the file did."""


def _receive(publication: Publication, part: Path, progress: Progress | None) -> None:
    """Append to `part` until the file is whole, over as many connections as it takes."""
    idle = 0
    while idle < TRIES:
        before = part.stat().st_size if part.is_file() else 0
        try:
            _receive_once(publication, part, progress)
            return
        except _CutError as error:
            reason = str(error)
        grown = part.is_file() and part.stat().st_size > before
        idle = 0 if grown else idle + 1
        time.sleep(min(0.1 * 2**idle, 5))
    raise InputError(f"{publication.address}: the connection ends again and again ({reason}); try again later")


def _receive_once(publication: Publication, part: Path, progress: Progress | None) -> None:
    position = part.stat().st_size if part.is_file() else 0
    if publication.size is not None and position >= publication.size:
        return  # whole, or too much of something else, which its hash will tell
    with _open(publication, position) as response:
        if response.status != 206 or not _begins_at(response, position):
            position = 0  # the server sends the whole file whatever it is asked for
        total = _declared(publication, response, position)
        with part.open("r+b" if position else "wb") as file:
            file.seek(position)
            file.truncate()
            for chunk in _chunks(response):
                position += len(chunk)
                if position > (publication.size or LARGEST):
                    raise _other(publication, f"over {publication.size or LARGEST:,} bytes")
                file.write(chunk)
                if progress:
                    progress(position, total)
            file.flush()
            os.fsync(file.fileno())
    if total is not None and position < total:
        raise _CutError(f"{position:,} of {total:,} bytes")


def _open(publication: Publication, position: int) -> http.client.HTTPResponse:
    headers = {"User-Agent": "googlenet", "Accept-Encoding": "identity"}
    if position:
        headers["Range"] = f"bytes={position}-"
    request = urllib.request.Request(publication.address, headers=headers)
    try:
        return urllib.request.urlopen(request, timeout=PATIENCE)
    except urllib.error.HTTPError as error:
        if error.code == 416 and position:  # nothing begins there, so what is there is not of this file
            return _open(publication, 0)
        if error.code >= 500:
            raise _CutError(f"status {error.code}") from None
        raise InputError(f"{publication.address}: the server answers {error.code} {error.reason}; {_MEND}") from None
    except urllib.error.URLError as error:
        raise InputError(
            f"{publication.address}: cannot be reached ({error.reason}); connect to the network, or {_MEND}"
        ) from None
    except (http.client.HTTPException, OSError) as error:
        raise _CutError(shown(str(error)) or type(error).__name__) from None


def _begins_at(response: http.client.HTTPResponse, position: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {position}-")


def _declared(publication: Publication, response: http.client.HTTPResponse, position: int) -> int | None:
    """Return how long the whole file will be; raises `InputError` where the server declares another one."""
    length = response.headers.get("Content-Length", "")
    if not is_number(length):
        return publication.size
    total = position + int(length)
    if total > LARGEST or (publication.size is not None and total != publication.size):
        raise _other(publication, f"{total:,} bytes" + (f", not {publication.size:,}" if publication.size else ""))
    return total


def _other(publication: Publication, what: str) -> InputError:
    return InputError(f"{publication.address}: the server sends another file ({what}); {_MEND}")


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield what comes; a connection that breaks ends it, and what has come is kept."""
    while True:
        try:
            chunk = response.read1(CHUNK)
        except (http.client.HTTPException, OSError) as error:
            raise _CutError(shown(str(error)) or type(error).__name__) from None
        if not chunk:
            return
        yield chunk


def _fault(publication: Publication, path: Path) -> str | None:
    """Say what makes a file another than the published one."""
    size = path.stat().st_size
    if publication.size is not None and size != publication.size:
        return f"{size:,} bytes, not {publication.size:,}"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(publication.sha256):
        return f"its SHA-256 begins with {digest[:8]}, not {publication.sha256[:8]}"
    return None
