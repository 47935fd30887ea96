"""What runs on Ray's nodes: a shard, its copy, a replica. Each is a plain object with a lock, reached by many threads.

Weights and gradients travel as arrays, bfloat16 as its bits: what Ray's object store holds as it is.
"""

import os
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import ray
import torch
from numpy.typing import NDArray
from ray.exceptions import ActorUnschedulableError, ObjectLostError, RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from torch import Tensor

from googlenet.distributed.downpour.exchange import Link, ToShards
from googlenet.distributed.downpour.options import Downpour
from googlenet.distributed.downpour.replica import Ended, Replica, Report
from googlenet.distributed.downpour.slices import Slices
from googlenet.distributed.shard import Fetched, Push, Rule, Shard, ShardState, Span, Taken
from googlenet.errors import BrokenOff, InputError
from googlenet.training.execution import Execution
from googlenet.training.optimizer import SGD
from googlenet.training.setup import Setup

__all__ = ["LOST", "ReplicaActor", "ShardActor", "apart_from", "pack", "unpack"]

Array = NDArray[Any]

LOST = (RayActorError, ObjectLostError, ActorUnschedulableError)
"""What Ray raises where an actor is no more, its answer went with the node that held it, or its node with it to be."""

PATIENCE = 300.0
"""Seconds in which the place of a shard that was lost is taken; a node's end takes Ray half a minute to notice."""


def pack(tensor: Tensor, wire: str = "float32") -> Array:
    """Return float32 numbers as they are sent."""
    return tensor.to(torch.bfloat16).view(torch.int16).numpy() if wire == "bfloat16" else tensor.numpy()


def unpack(array: Array) -> Tensor:
    """Return what `pack` was given, float32 of its own."""
    tensor = torch.from_numpy(np.array(array))
    return tensor.view(torch.bfloat16).float() if tensor.dtype == torch.int16 else tensor


class ShardActor:
    """A shard, and whoever waits for its clock; with a `mirror` each change is made there before it is answered."""

    def __init__(self, rule: Rule, spans: Sequence[Span], state: ShardState) -> None:
        torch.set_num_threads(1)
        self._shard = Shard(state.tensors["weights"].clone(), rule, spans)
        self._shard.restore(state)
        self._moved = threading.Condition(threading.RLock())
        self._mirror: Any = None

    def fetch(self, replica: int, at_least: int, wire: str) -> tuple[Array, int]:
        """Return the weights and their version, once that is `at_least` so much."""
        with self._moved:
            self._moved.wait_for(lambda: self._shard.clock >= at_least)
            weights, version = self._shard.fetch(replica)
        return pack(weights, wire), version

    def push(self, gradient: Array, push: Push) -> Taken:
        """Take a push, whose gradient travels beside it."""
        whole = replace(push, gradient=unpack(gradient))
        return self._change(lambda shard: shard.push(whole), "push", gradient, push)

    def wait_for(self, together: int) -> None:
        self._change(lambda shard: shard.wait_for(together), "wait_for", together)

    def forget(self, replica: int) -> None:
        self._change(lambda shard: shard.forget(replica), "forget", replica)

    def node(self) -> str:
        """Return on which of Ray's nodes it is."""
        return str(ray.get_runtime_context().get_node_id())

    def settle(self) -> ShardState:
        """Move by what waits for others and return the state."""
        self._change(lambda shard: shard.flush(), "settle")
        return self.state()

    def state(self) -> ShardState:
        with self._moved:
            return self._shard.state()

    def after(self, clock: float) -> ShardState:
        """Return the state once the clock is at `clock`."""
        with self._moved:
            self._moved.wait_for(lambda: self._shard.clock >= clock)
            return self._shard.state()

    def mirror_to(self, mirror: Any) -> None:
        """Have another actor be the same from now on."""
        with self._moved, suppress(*LOST):
            ray.get(mirror.become.remote(self._shard.state()))
            self._mirror = mirror

    def become(self, state: ShardState) -> None:
        with self._moved:
            self._shard.restore(state)

    def _change(self, change: Callable[[Shard], Any], name: str, *arguments: Any) -> Any:
        with self._moved:
            answer = change(self._shard)
            if self._mirror is not None:
                with suppress(*LOST):  # whoever leads puts another one in its place
                    ray.get(getattr(self._mirror, name).remote(*arguments))
            self._moved.notify_all()
            return answer


class ShardLink(Link):
    """The shards' actors as a replica sees them: an actor that is lost is waited for until another is in its place."""

    def __init__(self, shards: Sequence[Any], wire: str) -> None:
        self._wire = wire
        self._replaced = threading.Condition()
        self._shards = [(0, shard) for shard in shards]
        """A number that grows with each replacement, and the actor."""
        self.lives = [0] * len(shards)
        """Which of its actors each shard was at the last push."""

    def replace(self, number: int, life: int, shard: Any) -> None:
        with self._replaced:
            if life > self._shards[number][0]:
                self._shards[number] = (life, shard)
                self._replaced.notify_all()

    def fetch(self, replica: int, at_least: Sequence[int]) -> list[Fetched]:
        def ask(number: int, life: int, shard: Any) -> Any:
            least = at_least[number] if life == self.lives[number] else 0  # another may have gone back
            return shard.fetch.remote(replica, least, self._wire)

        return [Fetched(unpack(weights), version) for weights, version in self._all(ask)]

    def push(self, pushes: Sequence[Push]) -> list[Taken]:
        gradients = [pack(push.gradient, self._wire) for push in pushes]
        rests = [replace(push, gradient=_NONE) for push in pushes]

        def ask(number: int, life: int, shard: Any) -> Any:
            self.lives[number] = life
            return shard.push.remote(gradients[number], rests[number])

        return self._all(ask)

    def _all(self, ask: Callable[[int, int, Any], Any]) -> list[Any]:
        """Ask all shards at once, and those that are lost again when others are in their places."""
        asked = [(life, ask(number, life, shard)) for number, (life, shard) in enumerate(self._shards)]
        return [self._answer(number, life, answer, ask) for number, (life, answer) in enumerate(asked)]

    def _answer(self, number: int, life: int, answer: Any, ask: Callable[[int, int, Any], Any]) -> Any:
        while True:
            try:
                return ray.get(answer)
            except LOST:
                with self._replaced:
                    if not self._replaced.wait_for(partial(self._is_after, number, life), PATIENCE):
                        raise BrokenOff(f"shard {number} was lost and nothing came in its place") from None
                    life, shard = self._shards[number]
                answer = ask(number, life, shard)

    def _is_after(self, number: int, life: int) -> bool:
        return self._shards[number][0] > life


_NONE = torch.empty(0)
"""In the place of a gradient that travels beside its push."""


def apart_from(actor: Any, turn: int) -> dict[str, Any]:
    """Return the options of an actor that is not to be on the same node as another; the `turn` of several differs."""
    try:
        node = ray.get(actor.node.remote()) if actor is not None else None
    except LOST:
        node = None
    others = [one["NodeID"] for one in ray.nodes() if one["Alive"] and one["NodeID"] != node]
    if node is None or not others:
        return {"scheduling_strategy": "SPREAD"}
    # A soft wish is often passed over where no processor is asked for (Ray 2.60); a node that ends meanwhile is `LOST`.
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(others[turn % len(others)], soft=False)}


class ReplicaActor:
    """A replica whose loop goes in a thread of its own; what it reports waits until it is asked for."""

    def __init__(
        self,
        number: int,
        setup: Setup,
        execution: Execution,
        slices: Slices,
        shards: Sequence[tuple[int, Any]],
        options: Downpour,
        wire: str,
        beside: int,
    ) -> None:
        """`beside` is how many replicas share this machine; `shards` come with the number of their replacement."""
        os.environ["LOCAL_WORLD_SIZE"] = str(beside)
        self._trouble: InputError | None = None
        self._reports: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._link = ShardLink([shard for _, shard in shards], wire)
        for place, (life, shard) in enumerate(shards):
            self._link.replace(place, life, shard)

        def connect(optimizer: SGD, admit: Callable[[int], None]) -> ToShards:
            pace = {"fetch_every": options.fetch_every, "push_every": options.push_every}
            return ToShards(self._link, slices, optimizer.parameters, replica=number, admit=admit, **pace)

        try:
            self._replica = Replica(setup, execution, connect)
        except InputError as error:
            self._trouble = error

    def ready(self) -> int:
        """Return how many batches it should have before it."""
        if self._trouble is not None:
            raise self._trouble
        return self._replica.ahead

    def begin(self, buffers: Mapping[str, Tensor] | None) -> None:
        """Begin a stretch."""
        self._replica.hand.begin()
        threading.Thread(target=self._run, args=(buffers,), daemon=True).start()

    def deal(self, place: int, numbers: Sequence[int], limit: int | None) -> None:
        self._replica.hand.deal(place, numbers, limit)

    def end(self, count: int) -> None:
        self._replica.hand.end(count)

    def use(self, number: int, life: int, shard: Any) -> None:
        """Go on with another actor in a shard's place."""
        self._link.replace(number, life, shard)

    def reports(self) -> list[tuple[Report | Ended, list[int]]]:
        """Wait for what there is to report, and say of which of its actors each shard was."""
        found = [self._reports.get()]
        while not self._reports.empty():
            found.append(self._reports.get())
        for one in found:
            if isinstance(one, BaseException):
                raise one
        return found

    def _run(self, buffers: Mapping[str, Tensor] | None) -> None:
        try:
            for report in self._replica.run(buffers):
                self._reports.put((report, list(self._link.lives)))
        except BaseException as error:
            self._reports.put(error)
