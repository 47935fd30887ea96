"""Where the network lies in what people save: nested under other things, its names behind the prefixes of wrappers."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from googlenet.network import zoo
from googlenet.network.specification import Specification
from googlenet.weights.checkpoint import expected_tensors
from googlenet.weights.importers.assembly import COUNTER, Array

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["StateDict", "own_network", "state_dicts"]

FIRST_WEIGHTS = ("conv1.conv.weight", "conv1.7x7.weight", "conv1.3x3.weight", "conv1.depthwise.weight")
"""The first convolution's weight in torchvision's network and in those of this package: a network begins with one."""

MOST_NETWORKS = 8
"""Networks in one file that are told apart; keeps the search through a hostile one short."""

DEEPEST = 4
"""Dictionaries within dictionaries that are looked into."""

LAST = ("classifier.weight", "classifier.bias")

COMPILED = "_orig_mod."
"""What torch.compile puts before the names of a module, wherever it stands."""


@dataclass(frozen=True)
class StateDict:
    """A network's tensors under their own names; `place` is where they lay ("model, module.*")."""

    place: str
    tensors: "Mapping[str, Tensor]" = field(repr=False)


def state_dicts(value: Any) -> list[StateDict]:
    """Return the networks that `value` holds, the outermost and first one first; else its first tensors, if any.

    A network is known by its first convolution, so that every prefix (`module.` of DataParallel, `model.` of a trainer,
    several of them) and every key around it will do.
    """
    found: list[StateDict] = []
    rest: StateDict | None = None
    for place, tensors in _dictionaries(value):
        for first in (name for name in tensors if name.endswith(FIRST_WEIGHTS)):
            prefix = first.removesuffix(next(end for end in FIRST_WEIGHTS if first.endswith(end)))
            if not prefix or prefix.endswith("."):
                within = {name.removeprefix(prefix): tensors[name] for name in tensors if name.startswith(prefix)}
                beside = {name: tensors[name] for name in tensors if not name.startswith(prefix)}
                where = ", ".join([*place, f"{prefix}*"] if prefix else place)
                found.append(StateDict(where or "the top", beside | within))
                if len(found) == MOST_NETWORKS:
                    return found
        rest = rest or StateDict(", ".join(place), tensors)
    return found or ([rest] if rest else [])


def own_network(arrays: Mapping[str, Array]) -> str | None:
    """Return which network of the zoo has these names and shapes (with any number of classes), or None."""
    return next((name for name in zoo.NETWORKS if _fits(zoo.specification(name), arrays)), None)


def _fits(specification: Specification, arrays: Mapping[str, Array]) -> bool:
    """Tell whether all but the heads is there, a last layer of other outputs included."""
    expected = expected_tensors(replace(specification, auxiliary=()))
    return all(
        key in arrays and (arrays[key].shape == shape or (key in LAST and arrays[key].shape[1:] == shape[1:]))
        for key, shape in expected.items()
        if not key.endswith(COUNTER)
    )


def _dictionaries(value: Any) -> Iterator[tuple[list[str], "dict[str, Tensor]"]]:
    """Yield the tensors of each dictionary that has any, with the keys that lead to it, the outermost first."""
    from torch import Tensor

    seen: set[int] = set()
    queue: deque[tuple[list[str], Any]] = deque([([], value)])
    while queue:
        place, current = queue.popleft()
        if not isinstance(current, dict) or id(current) in seen or len(place) > DEEPEST:
            continue
        seen.add(id(current))
        tensors = {
            str(name).replace(COMPILED, ""): item.detach() for name, item in current.items() if isinstance(item, Tensor)
        }
        if tensors:
            yield place, tensors
        queue.extend(([*place, str(key)], item) for key, item in current.items())
