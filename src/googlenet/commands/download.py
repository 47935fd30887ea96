"""`googlenet download`: public weights by name, fetched, checked and imported."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from googlenet.reporting.console import json_line, say, warn
from googlenet.reporting.progress import Progress


@dataclass(frozen=True)
class Options:
    """Fetch public weights, check them against their published hash, and write a checkpoint."""

    name: Annotated[Positional[str], arg(metavar="NAME")]
    """bvlc (Caffe's), google (the published Inception) or torchvision."""
    output: Annotated[Path | None, arg(aliases=["-o"], metavar="OUT")] = None
    """The checkpoint to write (default: NAME.safetensors)."""
    json: bool = False
    """Print what was written, found, used and left as one JSON object (docs/json.md)."""


def run(options: Options) -> int:
    """Download, import, and say what came."""
    from googlenet.weights.download import PUBLISHED, download

    if options.name in PUBLISHED:
        say(f"{PUBLISHED[options.name].address}")
    with Progress("downloading", total=None, unit="kB") as progress:

        def show(there: int, size: int | None) -> None:
            progress.total = None if size is None else size // 1000
            progress.update(there // 1000 - progress.done)

        path, report = download(options.name, options.output, progress=show)
    for warning in report.warnings:
        warn(warning)
    if options.json:
        print(json_line({"file": str(path), **asdict(report)}))
        return 0
    for name in report.left:
        say(f"  left: {name}")
    print(f"{path}: {len(report.used)} of {len(report.found)} arrays used")
    return 0
