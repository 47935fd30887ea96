"""From prepared pictures to logits: the one way, for prediction, validation, views, regions and boxes.

    predictor = Predictor(network, network.specification.pixels)
    logits = predictor(crops)                                   # uint8 [N, 224, 224, 3]: float32 [N, classes]
    maps = predictor.features(crops, ["inception_5b"])          # float32 by name

Which engine computes is measured (`googlenet.machine`) once there is so much to do that it pays; until then it is the
one that is ready at once. All give the same answers, to 1e-5 of the largest logit, in float32.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from googlenet import machine, native
from googlenet.errors import InputError, whole
from googlenet.images.preprocessing import normalise
from googlenet.inference.device import find_device, synchronize
from googlenet.inference.engine import Engine, find_engines, version
from googlenet.inference.ranges import Range
from googlenet.inference.torch_engine import TorchEngine
from googlenet.network.cost import multiply_adds
from googlenet.network.graph import Linear, expand
from googlenet.network.module import Network
from googlenet.network.specification import Pixels

__all__ = ["BATCH", "LOGITS", "Pictures", "Predictor"]

BATCH = 32
"""Pictures that go through a network together, at most, unless told otherwise."""

LOGITS = "classifier"
"""The row whose outputs are the logits."""

WORTH_PREPARING = 4e11
"""Multiply-adds, some 250 pictures of the paper's network or a few seconds of two cores: from so much work on, the time
pays that it takes to find and prepare the fastest engine."""

MEASURED = 8
"""Pictures of a batch with which engines are compared, at most."""

log = logging.getLogger("googlenet")

Pictures = np.ndarray | Tensor
"""uint8 [N, height, width, 3] RGB, or normalised float32 [N, 3, height, width] in the network's order of channels."""

Waiting = Callable[[], dict[str, Tensor]]


class Predictor:
    """A network in evaluation, with the weights that it has now: later changes of `network` do not reach it.

    `pixels` say how bytes are normalised, `device`, `precision` and `engine` how to compute (`Computing` lists their
    values); at most `batch_size` pictures go through together, however many are given. Threads may share one.
    `ranges` belong to int8 (`quantization`). Raises `InputError` where this machine or network has not what is asked
    for.
    """

    def __init__(
        self,
        network: Network,
        pixels: Pixels | None = None,
        device: str | torch.device = "auto",
        precision: str = "float32",
        engine: str = "auto",
        *,
        batch_size: int = BATCH,
        ranges: Mapping[str, Range] | None = None,
    ) -> None:
        self.batch_size = whole("batch_size", batch_size)
        self.specification, self.precision = network.specification, precision
        self.pixels = pixels or network.specification.pixels
        self.device = find_device(device)
        self.network = _evaluation_copy(network, self.device)
        self._wanted, self._ranges = engine, ranges
        self._engines = find_engines(self.network, self.device, precision, engine)
        self._engine: Engine | None = None
        self._is_chosen, self._is_compared = False, precision == "float32"
        self._done, self._expected = 0, 0
        self._cost = multiply_adds(self.specification)
        self._lock = threading.Lock()

    def __call__(self, pictures: Pictures, mask: Pictures | None = None) -> Tensor:
        """Return the logits, float32 [N, classes] on the CPU.

        `mask`, bool [N, height, width], is true where a crop reaches over its picture's border: there 0 stands after
        normalisation. Raises `InputError` for pictures of another size, type or number of channels.
        """
        return self.submit(pictures, mask)()[LOGITS]

    def features(
        self, pictures: Pictures, at: Sequence[str], mask: Pictures | None = None, *, gradient: bool = False
    ) -> dict[str, Tensor]:
        """Return outputs of rows or layers by name, float32 on the CPU; `input` is the normalised pictures.

        With `gradient` they are parts of one graph on the predictor's device, from `input` to `classifier`, computed by
        torch in float32 in one piece, of at most `batch_size` pictures, also within `torch.no_grad()`.
        """
        if not gradient:
            return self.submit(pictures, mask, at)()
        self.check(pictures, mask, at)
        if len(pictures) > self.batch_size:
            raise InputError(
                f"features with gradient keep all maps of all {len(pictures)} pictures; give {self.batch_size} at once"
            )
        with torch.inference_mode(False), torch.enable_grad():  # it is asked for, whatever the caller has switched off
            x = self._normalised(pictures, mask)
            x = x if x.requires_grad else x.clone().requires_grad_()
            return self.network.features(x, at, gradient=True)

    def submit(
        self,
        pictures: Pictures,
        mask: Pictures | None = None,
        at: Sequence[str] = (LOGITS,),
        *,
        batch_size: int | None = None,
    ) -> Waiting:
        """Begin with a batch; the function that is returned waits for its outputs by name.

        On an accelerator the work is only under way then, so that the next batch can be prepared meanwhile
        (`in_flight` says how many batches to submit ahead); on a CPU it is done.
        """
        self.check(pictures, mask, at)
        size = batch_size or self.batch_size
        parts = [
            self._begin(pictures[start : start + size], None if mask is None else mask[start : start + size], at)
            for start in range(0, len(pictures), size)
        ]
        if not parts:
            return partial(self._empty, at)
        return lambda: _joined([wait() for wait in parts])

    @property
    def in_flight(self) -> int:
        """How many batches are worth submitting before the first is waited for."""
        return 0 if self.device == "cpu" else 1

    @property
    def engine(self) -> str:
        """The name of the engine that computes now; empty before the first picture."""
        return next((name for name, kind in self._engines.items() if type(self._engine) is kind), "")

    def expect(self, pictures: int) -> None:
        """Say how many pictures are to come: where they are many, the fastest engine is looked for at once."""
        self._expected = max(self._expected, self._done + pictures)

    def check(self, pictures: Pictures, mask: Pictures | None = None, at: Sequence[str] = (LOGITS,)) -> None:
        """Raise `InputError` unless pictures, mask and names are what the network can be given."""
        for what, given in (("pictures", pictures), ("the mask", pictures if mask is None else mask)):
            if not isinstance(given, np.ndarray | Tensor):
                raise InputError(f"{what}: expected an array or a tensor, found {type(given).__name__}")
        channels, height, width = self.specification.input
        shape, kind = tuple(pictures.shape), str(pictures.dtype).removeprefix("torch.")
        right = {"uint8": (height, width, channels), "float32": (channels, height, width)}.get(kind)
        if right is None or len(shape) != 4 or shape[1:] != right:
            raise InputError(
                f"{self.specification.name} takes pictures as uint8 [N, {height}, {width}, {channels}] or normalised"
                f" float32 [N, {channels}, {height}, {width}], found {kind} {list(shape)}; resize them, or make a"
                " network for another size"
            )
        if mask is not None and (tuple(mask.shape) != (shape[0], height, width) or "bool" not in str(mask.dtype)):
            raise InputError(
                f"the mask must be bool {[shape[0], height, width]}, as the pictures, found {list(mask.shape)}"
            )
        for name in at:
            self.network.find_row(name)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy, or another process, needs: it makes engines of its own."""
        return self.__dict__ | {"_lock": None, "_engines": None, "_engine": None, "_is_chosen": False}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._lock = threading.Lock()
        self._engines = find_engines(self.network, self.device, self.precision, self._wanted)

    def _begin(self, pictures: Pictures, mask: Pictures | None, at: Sequence[str]) -> Waiting:
        """Compute at most `batch_size` pictures."""
        engine = self._ready_engine(pictures)
        computed = [name for name in at if name != "input"]
        bytes_alone = engine.takes_bytes and mask is None and len(computed) == len(at) and _is_bytes(pictures)
        x = self._on_device(pictures) if bytes_alone else self._normalised(pictures, mask)
        with torch.no_grad():
            if not self._is_compared:
                self._compare(engine, x, self._normalised(pictures, mask))
            if list(at) == [LOGITS]:
                found = {LOGITS: engine(x)}
            else:
                found = engine.features(x, computed) if computed else {}
                found = {name: x if name == "input" else found[name] for name in at}
        return _to_host(found)

    def _compare(self, engine: Engine, x: Tensor, normalised: Tensor) -> None:
        """Say what a shorter precision changes in the first pictures."""
        self._is_compared = True
        plain = TorchEngine(self.network, self.pixels, self.device, "float32")
        exact = plain(normalised).softmax(1).cpu()
        found = engine(x).softmax(1).cpu()
        others = int((found.argmax(1) != exact.argmax(1)).sum())
        log.info(
            "%s: %d of the first %d images %s another best class than in float32; probabilities differ by up to %.4f",
            *(self.precision, others, len(x), "has" if others == 1 else "have", float((found - exact).abs().max())),
        )
        if self.device == "cpu":
            name, kind = next(iter(find_engines(self.network, self.device, "float32").items()))
            usual = kind(self.network, self.pixels, self.device, "float32")
            ratio = _seconds(engine, x[:MEASURED]) / _seconds(usual, normalised[:MEASURED])
            if ratio > 1:
                log.warning("%s takes %.1f times as long as float32 by %s here", self.precision, ratio, name)

    def _on_device(self, values: Pictures) -> Tensor:
        given = torch.from_numpy(_writable(values)) if isinstance(values, np.ndarray) else values
        if torch.device(self.device).type == "cuda" and given.device.type == "cpu":
            given = given.contiguous().pin_memory()
        return given.to(self.device, non_blocking=True)

    def _normalised(self, pictures: Pictures, mask: Pictures | None) -> Tensor:
        """Return the network's input, float32 [N, 3, height, width]."""
        x = self._on_device(pictures)
        if not _is_bytes(pictures) and mask is None:
            return x
        x = normalise(x, self.pixels) if _is_bytes(pictures) else x.clone()
        return x if mask is None else x.masked_fill_(self._on_device(mask)[:, None], 0.0)

    def _ready_engine(self, pictures: Pictures) -> Engine:
        """Return what computes the next batch."""
        with self._lock:
            self._done += len(pictures)
            if self._engine is None and not self._must_choose():
                name = next((name for name, kind in self._engines.items() if kind.is_immediate), "")
                if name:
                    self._take(name, self._made(name), "ready at once")
            if self._engine is None or (not self._is_chosen and self._must_choose()):
                self._choose(min(len(pictures), MEASURED))
                self._is_chosen = True
            assert self._engine is not None
            return self._engine

    def _must_choose(self) -> bool:
        """Whether looking for the fastest engine pays; a shorter precision is computed by one engine throughout."""
        is_much = max(self._done, self._expected) * self._cost >= WORTH_PREPARING
        return is_much or len(self._engines) == 1 or self.precision != "float32"

    def _choose(self, pictures: int) -> None:
        """Take the engine that is fastest for batches of so many pictures, as measured on this machine."""
        if len(self._engines) == 1:
            name = next(iter(self._engines))
            self._take(name, self._made(name), "as told" if name == self._wanted else "there is no other")
            return
        made: dict[str, Engine] = {}
        x = torch.zeros(pictures, *self.specification.input, device=self.device)

        def work(name: str) -> None:
            if name not in made:
                made[name] = self._made(name)
            made[name](x)
            if self.device != "cpu":
                synchronize(self.device)

        forms = {name: partial(work, name) for name in self._engines}
        choice = machine.choose("inference", forms, key=self._key(pictures), rounds=3, aloud=False)
        self._take(choice.form, made.get(choice.form) or self._made(choice.form), choice.reason)

    def _take(self, name: str, engine: Engine, reason: str) -> None:
        """Compute with an engine from now on, and say so once in a process."""
        self._engine = engine
        package = f" {version(type(engine))}" if engine.package else ""
        count = torch.get_num_threads()
        threads = f", {count} thread{'s' * (count != 1)}" if self.device == "cpu" else ""
        line = f"{self.specification.name} computed by {name}{package} in {self.precision} on {self.device}{threads}"
        if line not in _said:
            _said.add(line)
            log.info("%s: %s", line, reason)

    def _made(self, name: str) -> Engine:
        if isinstance(self._engine, kind := self._engines[name]):
            return self._engine
        return kind(self.network, self.pixels, self.device, self.precision, self._ranges)

    def _key(self, pictures: int) -> str:
        """What the choice depends on beside the processor."""
        return (
            f"{self.specification.name} {list(self.specification.input)}, {self._cost} multiply-adds, batch {pictures},"
            f" {self.precision}, {self.device}, torch {torch.__version__}, {torch.get_num_threads()} threads,"
            f" kernels {native.level()}"
            + "".join(f", {name} {version(kind)}" for name, kind in self._engines.items() if kind.package)
        )

    def _empty(self, at: Sequence[str]) -> dict[str, Tensor]:
        """The outputs of no pictures."""
        nodes = expand(self.specification, auxiliary=False)
        shapes: dict[str, tuple[int, ...]] = {"input": self.specification.input}
        for node in nodes:
            shapes[node.name] = shapes[node.row] = node.output[: 1 if isinstance(node.operation, Linear) else 3]
        return {name: torch.empty(0, *shapes[name]) for name in at}


@torch.inference_mode(False)  # what it makes may be part of a graph later
def _evaluation_copy(network: Network, device: str) -> Network:
    """Return the network without heads, in evaluation, with weights of its own: float32, channels last."""
    with torch.device("meta"):
        copy = Network(network.specification, auxiliary=False)
    given = network.state_dict()
    weights = {}
    for name in copy.state_dict():
        value = given[name].detach()
        layout = torch.channels_last if value.ndim == 4 else torch.preserve_format
        kind = torch.float32 if value.is_floating_point() else value.dtype
        weights[name] = value.to(device, kind, copy=True, memory_format=layout)
    copy.load_state_dict(weights, assign=True)
    return copy.eval().requires_grad_(False)


def _seconds(engine: Engine, x: Tensor) -> float:
    engine(x)  # some make themselves ready for a number of pictures first
    start = time.perf_counter()
    engine(x)
    return time.perf_counter() - start


def _is_bytes(pictures: Pictures) -> bool:
    return "uint8" in str(pictures.dtype)


def _writable(values: np.ndarray) -> np.ndarray:
    """Return an array that torch may look at: it has no notion of one that is only read, nor of negative strides."""
    return values if values.flags.writeable and values.flags.c_contiguous else np.array(values, order="C")


def _joined(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _to_host(found: dict[str, Tensor]) -> Waiting:
    """Begin to copy results to the CPU's memory, and return the function that waits for this alone."""
    if next(iter(found.values())).device.type != "cuda":
        return lambda: {name: value.cpu() for name, value in found.items()}
    host = {name: torch.empty(value.shape, dtype=value.dtype, pin_memory=True) for name, value in found.items()}
    for name, value in found.items():
        host[name].copy_(value, non_blocking=True)
    done = torch.cuda.Event()
    done.record()

    def wait() -> dict[str, Tensor]:
        done.synchronize()
        return host

    return wait


_said: set[str] = set()
