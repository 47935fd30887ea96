"""`googlenet views`: which views of an image a protocol takes, and where they lie."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Optional

from tyro.conf import Positional, arg

from googlenet.errors import InputError
from googlenet.evaluation.protocol import find_protocol
from googlenet.evaluation.views import View, views
from googlenet.evaluation.views_sheet import draw_views
from googlenet.files import expect_writable
from googlenet.images.decoding import decode
from googlenet.network.specification import Specification
from googlenet.network.zoo import specification
from googlenet.reporting.console import json_line, printable, table
from googlenet.reporting.sheet import check_name


@dataclass(frozen=True)
class Options:
    """Show the views of an image: a sheet of them, and where they lie on the image."""

    image: Annotated[Positional[Path], arg(metavar="IMAGE")]
    """A picture."""
    crops: Annotated[str, arg(metavar="1|10|144|howard-90|FILE")] = "144"
    """The protocol, as `evaluate --crops`: a name, or a .json file with one's own (docs/commands/views.md)."""
    weights: Annotated[Optional[Path], arg(metavar="WEIGHTS")] = None  # noqa: UP045
    """The weights whose size, resize and filter are used."""
    network: Annotated[Optional[str], arg(metavar="NETWORK")] = None  # noqa: UP045
    """Instead of weights: a fresh network of the zoo (default: googlenet)."""
    output: Annotated[Optional[Path], arg(aliases=["-o"], metavar="PNG")] = None  # noqa: UP045
    """The picture to write (default: views.png; with --json none)."""
    json: bool = False
    """Print the views as one JSON object (docs/json.md)."""


def run(options: Options) -> int:
    """Print where the views lie, and draw them."""
    protocol = find_protocol(options.crops)
    output = options.output or (None if options.json else Path("views.png"))
    if output:
        check_name(output)
        expect_writable(output)
    network = _network(options)
    size = network.input[1], network.input[2]
    image = decode(options.image)
    height, width = image.shape[:2]
    found = views((height, width), protocol, size, network.pixels)
    if output:
        draw_views(output, image, protocol, size, network.pixels)
    if options.json:
        print(json_line({"image": [width, height], "views": [view.to_json() for view in found]}))
    else:
        print(_table(found))
        count = f"{len(found)} views" if len(found) > 1 else "1 view"
        print(f"{printable(str(output))}: {count} of {width} x {height} pixels, {len(set(found))} distinct")
    return 0


def _network(options: Options) -> Specification:
    if options.weights is None:
        return specification(options.network or "googlenet")
    if options.network is not None:
        raise InputError("--weights bring their own network; leave --network out")
    from googlenet.weights.checkpoint import read

    return read(options.weights).specification


def _table(found: tuple[View, ...]) -> str:
    """Say for each size to which the image is resized how many views are taken."""
    sizes = Counter(view.size for view in found)
    distinct = Counter(view.size for view in set(found))
    rows = [(min(size), f"{size[0]} x {size[1]}", count, distinct[size]) for size, count in sizes.items()]
    return table(["short side", "resized to", "views", "distinct"], rows)
