"""From a specification or a checkpoint to a network: fresh or with its weights, for any classes and any size."""

import logging
import os
from collections.abc import Mapping

from torch import Tensor

from googlenet.errors import InputError, counted, whole
from googlenet.network import zoo
from googlenet.network.graph import Linear, expand
from googlenet.network.initialization import Initialization, initialise
from googlenet.network.module import Network
from googlenet.network.specification import Specification
from googlenet.weights.checkpoint import Checkpoint, read
from googlenet.weights.classes import Class, numbered_classes

__all__ = ["build", "create"]

log = logging.getLogger("googlenet")


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


def build(
    checkpoint: Checkpoint,
    *,
    classes: tuple[Class, ...] | None = None,
    size: tuple[int, int] | None = None,
    auxiliary: bool = True,
    initialization: Initialization = "xavier",
    seed: int = 0,
) -> Network:
    """Return the network with the checkpoint's weights, ready for other `classes` or another `size` of pictures.

    The same classes (by id, in the same order) keep every classifier; others get fresh classifiers. `size` is [height,
    width] (`zoo.resized`); layers whose shape depends on it start fresh too. The rest is loaded, and a warning names
    what must be trained.
    """
    specification = checkpoint.specification if size is None else zoo.resized(checkpoint.specification, size)
    other_classes = classes is not None and [item.id for item in classes] != [item.id for item in checkpoint.classes]
    if classes is not None and other_classes:
        specification = specification.with_classes(len(classes))
    shapes = {name: tuple(tensor.shape) for name, tensor in checkpoint.weights.items()}
    fresh = [
        node.key
        for node in expand(specification, auxiliary=auxiliary)
        if (other_classes and node.operation == Linear(relu=False))
        or (node.weight and node.weight != shapes[f"{node.key}.weight"])
    ]
    network = Network(specification, auxiliary=auxiliary)
    if fresh:
        initialise(network, initialization, seed)
        why = counted(specification.classifier.classes, "classes") if other_classes else f"pictures of {size}"
        log.warning("%s: fresh %s, all else is loaded", why, ", ".join(fresh))
    weights = {name: tensor for name, tensor in checkpoint.weights.items() if name.rpartition(".")[0] not in fresh}
    network.load_state_dict({**network.state_dict(), **_only(weights, network)})
    return network


def _only(weights: Mapping[str, Tensor], network: Network) -> dict[str, Tensor]:
    """The part of `weights` that `network` has: all but the heads, where it was built without them."""
    return {name: weights[name] for name in network.state_dict() if name in weights}
