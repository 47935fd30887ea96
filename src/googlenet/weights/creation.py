"""One call for a network: fresh, or with weights from a file, for any number of classes."""

import os

from googlenet.errors import InputError, whole
from googlenet.network import zoo
from googlenet.network.initialization import Initialization, initialise
from googlenet.network.module import Network
from googlenet.network.specification import Specification
from googlenet.weights.checkpoint import build, read
from googlenet.weights.classes import numbered_classes

__all__ = ["create"]


def create(
    network: str | Specification | None = None,
    *,
    classes: int | None = None,
    width: float | None = None,
    budget: float | None = None,
    size: tuple[int, int] | None = None,
    pretrained: str | os.PathLike[str] | None = None,
    initialization: Initialization = "xavier",
    seed: int = 0,
) -> Network:
    """Return a network of the zoo by name, of a specification, or of a checkpoint: an ordinary `torch.nn.Module`.

    `size` (height, width) makes it a network for pictures of another size: the average over the last grid becomes one
    over whatever grid there is, so that pretrained weights fit as they are.
    `pretrained` is a checkpoint: its network is taken, so `network`, `width` and `budget` have no place beside it.
    With another number of `classes` its classifiers start fresh and a warning says so; all else is loaded.
    """
    classes = None if classes is None else whole("classes", classes)
    if pretrained is not None:
        if (network, width, budget) != (None, None, None):
            raise InputError("pretrained weights bring their own network; leave network, width and budget out")
        checkpoint = read(pretrained)
        same = classes in (None, checkpoint.specification.classifier.classes)
        wanted = None if same else numbered_classes(classes or 0)
        return build(checkpoint, classes=wanted, size=size, initialization=initialization, seed=seed)
    if isinstance(network, Specification):
        if (classes, width, budget) != (None, None, None):
            raise InputError("a specification says its own classes and width; leave classes, width and budget out")
        specification = network if size is None else zoo.resized(network, size)
    else:
        specification = zoo.specification(
            network or "googlenet", classes=classes, width=width, budget=budget, size=size
        )
    result = Network(specification)
    initialise(result, initialization, seed)
    return result
