"""Patterns of paths and URLs, and local copies of what is remote or compressed, in the user's cache folder."""

import gzip
import hashlib
import itertools
import re
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from googlenet.errors import InputError
from googlenet.files import atomic_write, open_regular, recorded_name
from googlenet.images.finding import display_name
from googlenet.machine import cache_folder

__all__ = ["drop_older", "expand", "fetch", "fetch_range", "gives_ranges", "is_compressed", "is_url", "place_of_copy"]
__all__ += ["source_name", "stamped", "unpacked"]

_MOST = 100_000  # names that a pattern may stand for
_CHUNK = 1 << 20
_LARGEST_RATIO = 300  # of unpacked to packed size: deflate reaches 1032 on zeros alone, shards of tiny images 30
_SPARE = 1 << 30  # bytes of disk that are left free
_PAUSES = (0.5, 2.0, 8.0)  # seconds before something is asked for again


def is_url(path: str) -> bool:
    return re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", path) is not None


def source_name(source: str) -> str:
    """Return what messages call a path or URL, on one line; of a URL without what may be a secret."""
    return display_name(recorded_name(source) if is_url(source) else source)


def is_compressed(path: str) -> bool:
    return path.lower().endswith((".gz", ".tgz"))


def expand(pattern: str) -> list[str]:
    """Return the paths or URLs that a pattern with `{0..9}`, `{a,b}`, `*`, `?` stands for, each once.

    What exists under the name itself is meant, whatever characters the name holds. Those of a glob are sorted.
    `InputError` where one matches nothing, or the pattern stands for over 100,000 names.
    """
    if _exists(pattern):
        return [pattern]
    names = list(itertools.islice(_braces(pattern), _MOST + 1))
    if len(names) > _MOST:
        raise InputError(f"{source_name(pattern)}: stands for more than {_MOST} names; check the braces")
    found = []
    for name in names:
        matches = _glob(name) if re.search(r"[*?\[]", name) and not _exists(name) else [name]
        if not matches:
            raise InputError(f"{source_name(name)}: nothing matches this pattern; check it")
        found += matches
    if not found:
        raise InputError(f"{source_name(pattern)}: stands for no name; check the braces")
    return list(dict.fromkeys(found))


def unpacked(shard: str) -> Path:
    """Return a local, uncompressed file with a shard's content: itself, or a copy that is made once.

    A copy is made anew when the shard's size or time has changed.
    """
    compressed = is_compressed(shard)
    if not is_url(shard):
        path = Path(shard)
        if not compressed:
            return path
        try:
            status = path.stat()
        except OSError as error:
            raise InputError(f"{source_name(shard)}: cannot be read ({error.strerror or error})") from error
        return _copy(
            str(path.absolute()), f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}", status.st_size
        )
    return _copy(shard, *stamped(shard))


def stamped(url: str) -> tuple[str, int | None]:
    """Return what of a remote file is another with each change, and its size, None where that is not known."""
    file_system, place = _remote(url)
    with _failures_named(url):
        facts = file_system.info(place)
    stamp = repr([facts.get(key) for key in ("size", "mtime", "LastModified", "ETag", "etag", "created", "updated")])
    return hashlib.sha256(stamp.encode()).hexdigest()[:16], facts.get("size")


def gives_ranges(url: str, size: int) -> bool:
    """Whether a part of a remote file can be had without what is before it."""
    file_system, place = _remote(url)
    try:
        with file_system.open(place, "rb", cache_type="none") as file:
            file.seek(size - 1)
            return len(file.read(1)) == 1
    except Exception:  # as with `_failures_named`; whoever reads all of it will say what is wrong
        return False


def fetch_range(url: str, begin: int, end: int) -> bytes:
    """Return some bytes of a remote file; a connection that fails is tried again for some seconds."""
    file_system, place = _remote(url)
    with _failures_named(url):
        found = _tried(lambda: file_system.cat_file(place, begin, end))
    if len(found) != end - begin:
        raise InputError(f"{source_name(url)}: gave {len(found)} of {end - begin} bytes; was it replaced?")
    return found


def fetch(url: str, optional: bool = False) -> Path | None:
    """Return a local copy of a small remote file, fetched anew; None where it is `optional` and not there."""
    file_system, place = _remote(url)
    with _failures_named(url):
        try:
            content = _tried(lambda: file_system.cat_file(place, 0, 1 << 24))
        except FileNotFoundError:  # a server that fails says nothing about what it has
            if not optional:
                raise
            return None
    copy = place_of_copy(url, "file", "")
    with atomic_write(copy) as file:
        file.write(content)
    return copy


def _tried(read: Callable[[], bytes]) -> bytes:
    """Return what is read, trying again for some seconds where that fails."""
    for pause in _PAUSES:
        try:
            return read()
        except FileNotFoundError:
            raise
        except Exception:
            time.sleep(pause)
    return read()


def _copy(source: str, stamp: str, packed_size: int | None) -> Path:
    """Stream a shard into the cache, unpacking it on the way, unless it is there already."""
    copy = place_of_copy(source, stamp, ".tar")
    if copy.is_file():
        return copy
    shown, written = source_name(source), 0
    with atomic_write(copy) as out:
        free = shutil.disk_usage(copy.parent).free - _SPARE
        for chunk in _chunks(source):
            written += len(chunk)
            if written > free:
                raise InputError(f"{shown}: no room for its copy in {copy.parent}; free some, or set GOOGLENET_CACHE")
            if packed_size and written > _CHUNK + _LARGEST_RATIO * packed_size:
                raise InputError(f"{shown}: unpacks to over {_LARGEST_RATIO} times its size, which no images do")
            out.write(chunk)
    drop_older(source, stamp)
    return copy


def drop_older(source: str, stamp: str) -> None:
    """Remove what the cache folder has of a source as it was before."""
    own = place_of_copy(source, stamp, "")
    for older in own.parent.glob(f"{own.name.partition('-')[0]}-*"):
        if not older.name.startswith(own.name):
            older.unlink(missing_ok=True)


def _chunks(source: str) -> Iterator[bytes]:
    with _failures_named(source), ExitStack() as stack:
        if is_url(source):
            file_system, place = _remote(source)
            raw: IO[bytes] = stack.enter_context(file_system.open(place, "rb"))
        else:
            raw = stack.enter_context(open_regular(source))
        plain: Any = stack.enter_context(gzip.open(raw)) if is_compressed(source) else raw
        while chunk := plain.read(_CHUNK):
            yield chunk


def place_of_copy(source: str, stamp: str, ending: str) -> Path:
    """Return where in the cache folder a copy is kept."""
    digest = hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return cache_folder() / "shards" / f"{digest}-{stamp}{ending}"


def _remote(url: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError as error:
        raise InputError(_packages_missing(url)) from error
    with _failures_named(url):
        file_system, place = fsspec.core.url_to_fs(url)
        return file_system, place


def _packages_missing(url: str) -> str:
    return f'{source_name(url)}: reading this URL needs more packages: pip install "googlenet[remote]"'


@contextmanager
def _failures_named(source: str) -> Iterator[None]:
    """Name the source in whatever its file system or its compression fails with: they are of too many kinds to list."""
    try:
        yield
    except InputError:
        raise
    except ImportError as error:
        raise InputError(_packages_missing(source)) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{source_name(source)}: not a whole gzip file ({error}); replace it") from error
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        for secret in re.findall(r"://([^/?#]*@)|([?#].*)", source) if is_url(source) else ():
            reason = reason.replace("".join(secret), "")
        raise InputError(f"{source_name(source)}: cannot be read ({reason}); check the URL and its rights") from error


def _glob(pattern: str) -> list[str]:
    if not is_url(pattern):
        path = Path(pattern)
        parts = list(path.relative_to(path.anchor).parts)
        folder = Path(path.anchor)
        while len(parts) > 1 and (folder / parts[0]).is_dir():  # its brackets belong to its name
            folder /= parts.pop(0)
        return sorted(str(match) for match in folder.glob("/".join(parts)) if match.is_file())
    file_system, place = _remote(pattern)
    with _failures_named(pattern):
        return sorted(str(file_system.unstrip_protocol(match)) for match in file_system.glob(place))


def _exists(name: str) -> bool:
    return not is_url(name) and "\0" not in name and Path(name).is_file()


def _braces(pattern: str) -> Iterator[str]:
    """Expand the first innermost pair of braces, and what comes of it in turn."""
    for found in re.finditer(r"\{([^{}]*)\}", pattern):
        choices = _choices(found[1])
        if choices is not None:
            for choice in choices:
                yield from _braces(pattern[: found.start()] + choice + pattern[found.end() :])
            return
    yield pattern


def _choices(content: str) -> Iterator[str] | None:
    """What braces around `content` stand for; None if nothing, so that they belong to the name."""
    numbers = re.fullmatch(r"(\d{1,12})\.\.(\d{1,12})", content)
    if numbers:
        first, last = numbers.groups()
        width = len(first) if first.startswith("0") or len(first) == len(last) else 0
        return (f"{number:0{width}}" for number in range(int(first), int(last) + 1))
    return iter(content.split(",")) if "," in content else None
