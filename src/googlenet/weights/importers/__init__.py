"""Public weights in the formats of other frameworks: Caffe's, Google's and torchvision's GoogLeNets.

Sections 4 and 5 of the paper, as others trained them.
May import `network`, `files` and `errors`."""

import os
import re
from collections.abc import Callable, Sequence

from googlenet.errors import InputError
from googlenet.weights.checkpoint import Checkpoint
from googlenet.weights.classes import Class
from googlenet.weights.importers.archive import SIGNATURE, Archive
from googlenet.weights.importers.assembly import Report
from googlenet.weights.importers.caffe import read_caffe
from googlenet.weights.importers.google import read_graph, read_npz, read_zipped_graph
from googlenet.weights.importers.source import Source
from googlenet.weights.importers.torchvision import MAGIC, read_pth, read_safetensors

__all__ = ["Report", "read"]


def read(path: str | os.PathLike[str], classes: Sequence[Class] | None = None) -> tuple[Checkpoint, Report]:
    """Read foreign weights as a checkpoint, with a report of what was found, used and left.

    The kind is known by the content, not by the name: `.caffemodel`; TensorFlow's `.pb` (or the ZIP around it) or an
    `.npz` of Google's network; torchvision's `.pth` or `.safetensors`. `classes` name the outputs; by default they are
    those that the weights were published with, or numbers where their count differs. Raises `InputError`, one line
    that names the file and what is wrong, for anything but a whole file of GoogLeNet's weights.
    """
    source = Source.open(path)
    return _reader(source)(source, classes)


def _reader(source: Source) -> Callable[[Source, Sequence[Class] | None], tuple[Checkpoint, Report]]:
    """Tell by its first bytes what a file is."""
    begin = bytes(source.data[:64])
    if begin.startswith(SIGNATURE):
        ends = {name.rpartition(".")[2] for name in Archive.open(source).members}
        return read_npz if "npy" in ends else read_zipped_graph if "pb" in ends else read_pth
    if begin.startswith(MAGIC):
        return read_pth
    if begin[8:9] == b"{":
        return read_safetensors
    if begin.startswith(b"\x89HDF\r\n"):
        raise InputError(f"{source.path}: HDF5, which is not read here; give the .caffemodel")
    if re.match(rb"\x0a[\x80-\xff]*[\x00-\x7f]\x0a", begin):  # the first field is a node, whose first is its name
        return read_graph
    if begin.startswith((b"\x0a", b"\x12", b"\x1a", b"\xa2\x06")):  # a net's name, layers, input, layer
        return read_caffe
    kinds = ".caffemodel, TensorFlow's .pb or .npz of Google's network, torchvision's .pth or .safetensors"
    raise InputError(f"{source.path}: not weights in a form that is known here ({kinds})")
