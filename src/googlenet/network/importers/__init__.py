"""Public weights in the formats of other frameworks: Caffe's, Google's and torchvision's GoogLeNets.

Sections 4 and 5 of the paper, as others trained them.
May import `network`, `files` and `errors`."""

import os
from collections.abc import Sequence

from googlenet.network.checkpoint import Checkpoint
from googlenet.network.classes import Class
from googlenet.network.importers.assembly import Report
from googlenet.network.importers.caffe import read_caffe
from googlenet.network.importers.source import Source

__all__ = ["Report", "read"]


def read(path: str | os.PathLike[str], classes: Sequence[Class] | None = None) -> tuple[Checkpoint, Report]:
    """Read foreign weights as a checkpoint, with a report of what was found, used and left.

    The kind is known by the content, not by the name. `classes` (default: those that the weights were published with,
    or numbers where their count differs) name the outputs. Raises `InputError`, one line that names the file and what
    is wrong, for anything but a whole file of GoogLeNet's weights.
    """
    return read_caffe(Source.open(path), classes)
