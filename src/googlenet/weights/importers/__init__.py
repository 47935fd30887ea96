"""Public weights in the formats of other frameworks: Caffe's, Google's and torchvision's GoogLeNets.

Sections 4 and 5 of the paper, as others trained them.
May import `network`, `files` and `errors`."""

import os
from collections.abc import Sequence

from googlenet.errors import InputError
from googlenet.weights.checkpoint import Checkpoint
from googlenet.weights.classes import Class
from googlenet.weights.importers.archive import Archive
from googlenet.weights.importers.assembly import Report
from googlenet.weights.importers.caffe import read_caffe
from googlenet.weights.importers.google import read_graph, read_npz, read_zipped_graph
from googlenet.weights.importers.source import Source
from googlenet.weights.importers.torchvision import read_pth, read_safetensors
from googlenet.weights.kinds import BEGINNING, kind_of

__all__ = ["Report", "import_weights"]


def import_weights(
    path: str | os.PathLike[str], classes: Sequence[Class] | None = None, *, classifier: str | None = None
) -> tuple[Checkpoint, Report]:
    """Read foreign weights as a checkpoint, with a report of what was found, used and left.

    The kind is known by the content, not by the name: `.caffemodel`; TensorFlow's `.pb` (or the ZIP around it) or an
    `.npz` of Google's network; a state dict of torchvision's network or of this package's, `.pth` or `.safetensors`.
    `classes` name the outputs; by default they are those that the weights were published with, or numbers where their
    count differs. `classifier` names the last layer of a fine-tuned network where the file does not tell it. Raises
    `InputError`, one line that names the file and what is wrong, for anything but a whole file of GoogLeNet's weights.
    """
    source = Source.open(path)
    match kind_of(bytes(source.data[:BEGINNING])):
        case "zip":
            ends = {name.rpartition(".")[2] for name in Archive.open(source).members}
            if not {"npy", "pb"} & ends:
                return read_pth(source, classes, classifier)
            reader = read_npz if "npy" in ends else read_zipped_graph
        case "pickle":
            return read_pth(source, classes, classifier)
        case "safetensors":
            return read_safetensors(source, classes, classifier)
        case "caffemodel":
            return read_caffe(source, classes, classifier)
        case "graph":
            reader = read_graph
        case "hdf5":
            raise InputError(f"{source.path}: HDF5, which is not read here; give the .caffemodel")
        case None:
            kinds = ".caffemodel, TensorFlow's .pb or .npz of Google's network, torch's .pth or .safetensors"
            raise InputError(f"{source.path}: not weights in a form that is known here ({kinds})")
    if classifier is not None:
        raise InputError(f"{source.path}: --classifier is for files of Caffe and torch; Google's layers have one name")
    return reader(source, classes)
