"""What computes a network in evaluation: one contract for every engine, and the list of those that there are.

An engine is a class in a module of its own, which is imported when it is first asked for, and a line in `ENGINES`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from googlenet.errors import InputError
from googlenet.inference.ranges import Range

if TYPE_CHECKING:
    from torch import Tensor

    from googlenet.network.module import Network
    from googlenet.network.specification import Pixels

__all__ = [
    "ENGINES",
    "Computing",
    "DeviceName",
    "Engine",
    "EngineName",
    "Precision",
    "at_once",
    "find_engines",
    "version",
]

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["float32", "bfloat16", "int8"]
EngineName = Literal["auto", "native", "torch", "openvino", "onnxruntime"]

ENGINES = {
    "native": "googlenet.inference.native_engine:NativeEngine",
    "torch": "googlenet.inference.torch_engine:TorchEngine",
    "openvino": "googlenet.inference.openvino_engine:OpenVINOEngine",
    "onnxruntime": "googlenet.inference.onnxruntime_engine:OnnxRuntimeEngine",
}
"""Where each engine lives, MODULE:CLASS."""

CACHED_PIXELS = 8 * 224 * 224
"""Pixels of input whose maps a CPU's cache holds; one picture may have more."""


@dataclass(frozen=True)
class Computing:
    """How pictures go through a network."""

    device: DeviceName = "auto"
    """Where to compute: auto takes a GPU if there is one."""
    precision: Precision = "float32"
    """Of the computation; less than float32 is faster on some machines, and what it changes is said."""
    engine: EngineName = "auto"
    """What computes: auto measures which is the fastest here, once there is enough to do."""
    calibrate: Path | None = None
    """For int8, once: a folder of photographs. Half of them find the ranges, the others judge; kept beside WEIGHTS."""


class Engine(ABC):
    """A network made ready for evaluation on one device in one precision.

    `network`, on that device and in float32, belongs to the predictor: an engine reads it and changes nothing. Calls
    may come from several threads at once. Shapes were checked by the predictor, and there is at least one picture.
    """

    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    precisions: ClassVar[tuple[str, ...]] = ("float32",)
    is_immediate: ClassVar[bool] = False
    """Whether making one costs nothing worth speaking of."""
    package: ClassVar[str] = ""
    """The package of an extra that it needs."""
    takes_bytes: ClassVar[bool] = False
    """Whether it normalises uint8 [N, height, width, 3] itself, as `pixels` say; others are never given bytes."""

    @classmethod
    def lacks(cls, network: "Network", precision: str) -> str:
        """Return why the engine cannot compute `network` so on this machine, and the mend; empty where it can."""
        return ""

    @abstractmethod
    def __init__(
        self,
        network: "Network",
        pixels: "Pixels",
        device: str,
        precision: str,
        ranges: Mapping[str, Range] | None = None,
    ) -> None:
        """`ranges`, for int8 alone: over what each map moves (`quantization`)."""

    @abstractmethod
    def __call__(self, x: "Tensor") -> "Tensor":
        """Return the logits, float32 [N, classes], of normalised float32 [N, 3, height, width] on the device."""

    @abstractmethod
    def features(self, x: "Tensor", at: Sequence[str]) -> "dict[str, Tensor]":
        """Return outputs of rows or layers by name, float32, as `Network.features` does; `x` as in a call."""


def at_once(shape: tuple[int, int, int]) -> int:
    """Return how many pictures, [channels, height, width], go through a network with their maps in a CPU's cache."""
    return max(1, CACHED_PIXELS // (shape[1] * shape[2]))


def version(engine: type[Engine]) -> str:
    """Return the version of the package of an extra that an engine needs; empty where it needs none."""
    return metadata.version(engine.package) if engine.package else ""


def find_engines(network: "Network", device: str, precision: str, wanted: str = "auto") -> dict[str, type[Engine]]:
    """Return the engines, by name, that can compute `network` so here: all, or the one that is `wanted`.

    Raises `InputError` with the reasons where there is none.
    """
    if wanted != "auto" and wanted not in ENGINES:
        raise InputError(f"engine '{wanted}' is not known; there is auto, {', '.join(ENGINES)}")
    if precision not in get_args(Precision):
        raise InputError(f"precision '{precision}' is not known; there is {', '.join(get_args(Precision))}")
    found: dict[str, type[Engine]] = {}
    reasons = []
    for name in ENGINES if wanted == "auto" else [wanted]:
        module, _, kind = ENGINES[name].partition(":")
        engine: type[Engine] = getattr(import_module(module), kind)
        if reason := _unsuited(engine, device, precision) or engine.lacks(network, precision):
            reasons.append(f"engine {name} {reason}")
        else:
            found[name] = engine
    if not found:
        raise InputError(f"{network.specification.name} in {precision} on {device}: {'; '.join(reasons)}")
    return found


def _unsuited(engine: type[Engine], device: str, precision: str) -> str:
    if device.partition(":")[0] not in engine.devices:
        return f"computes on {' or '.join(engine.devices)} alone"
    if precision not in engine.precisions:
        return f"computes in {' or '.join(engine.precisions)} alone"
    return ""
