"""The actors of a run and who takes the place of those that are lost: one loop over what Ray has to tell."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import ray
from ray.exceptions import RayTaskError
from torch import Tensor

from googlenet.distributed.downpour.actors import LOST, ReplicaActor, ShardActor, apart_from
from googlenet.distributed.downpour.dealing import Dealer, Lost
from googlenet.distributed.downpour.options import Downpour
from googlenet.distributed.downpour.replica import Ended, Report
from googlenet.distributed.downpour.slices import Slices
from googlenet.distributed.downpour.tally import Tally
from googlenet.distributed.shard import Rule, ShardState, Taken
from googlenet.errors import BrokenOff, InputError
from googlenet.reporting.console import say
from googlenet.training.execution import Execution
from googlenet.training.setup import Setup

__all__ = ["Crew", "News"]

COMING = 120.0
"""Seconds in which all replicas are waited for in the beginning; later ones join when they come."""

TRIES = 5
"""Times that the place of a replica or shard is taken again before any has done anything."""

News = tuple[int, Report | None]
"""A replica's place, and its step; None for a batch that was lost with it."""


@dataclass
class _Member:
    """A replica's actor."""

    place: int
    """Among the replicas; that of one that is lost is taken by another."""
    number: int
    """Its own, which no other has had."""
    actor: Any
    ahead: int = 0
    """Batches that it should have before it; 0 until it is ready."""
    is_running: bool = False
    was_told_the_end: bool = False
    dealt: int = 0
    """Batches of this stretch."""
    limit: int | None = None
    buffers: Mapping[str, Tensor] = field(default_factory=dict)
    """What it ended its last stretch with."""


@dataclass
class _Place:
    """A shard's actor, and what takes its place when it is lost."""

    number: int
    actor: Any
    kept: ShardState
    """Its last copy here."""
    mirror: Any = None
    life: int = 0
    """Grows when another actor takes the place."""
    ends: list[int] = field(default_factory=list)
    """Of each actor before this one: the clock up to which its updates are counted as lost, or were kept."""


class Crew:
    """Shards and replicas of a run, from the first stretch to the last; `close` ends all of them."""

    def __init__(
        self,
        setup: Setup,
        execution: Execution,
        slices: Slices,
        rule: Rule,
        states: Sequence[ShardState],
        options: Downpour,
        wire: str,
        tally: Tally,
        *,
        beside: int,
    ) -> None:
        self._slices, self._rule, self._options, self._wire, self._tally = slices, rule, options, wire, tally
        self._beside = beside
        self._parts = (ray.put(setup), execution)
        self._pending: dict[Any, Callable[[Any], None]] = {}
        self._members: dict[int, _Member] = {}
        self._numbers, self._strikes = 0, 0
        self._news: deque[News] = deque()
        self._dealer = Dealer(0, 0)
        self._buffers: Mapping[str, Tensor] | None = None
        self._width = 0
        needs: dict[str, Any] = {"num_cpus": 1, "num_gpus": int(execution.device == "cuda")}
        self._replica = ray.remote(ReplicaActor).options(max_concurrency=16, scheduling_strategy="SPREAD", **needs)
        self._places = [_Place(number, None, state) for number, state in enumerate(states)]
        for place in self._places:
            self._occupy_place(place, place.kept)

    # Stretches.

    def begin(self, dealer: Dealer, width: int, buffers: Mapping[str, Tensor]) -> None:
        """Begin a stretch with `width` replicas, all of which start with these buffers."""
        coming = [place for place in range(width) if place not in self._members]
        for place in coming:
            self._start(place)
        deadline = time.monotonic() + COMING
        while not all(self._members[place].ahead for place in coming) and time.monotonic() < deadline:
            self._wait()
        if missing := [place for place in coming if not self._members[place].ahead]:
            say(f"replica {missing[0]} has not come in {COMING:.0f} s, and may join later; is a processor free for it?")
        for member in self._members.values():
            member.buffers = {}
        self._dealer, self._width, self._buffers = dealer, width, buffers
        self._occupy()

    def news(self) -> Iterator[News]:
        """Yield what happens until all of the stretch is accounted for and every replica has ended it."""
        while True:
            while self._news:
                yield self._news.popleft()
            if self._dealer.is_over and not any(member.is_running for member in self._members.values()):
                return
            self._wait()

    def cut(self) -> None:
        """End the stretch with what is dealt already."""
        self._dealer.cut()
        self._tell_the_end()

    def settle(self) -> list[ShardState]:
        """Return the state of each shard, between two stretches."""
        for place in self._places:
            place.kept = self._of_shard(place, "settle")
            self._tally.clocks[place.number] = place.kept.clock
        return [place.kept for place in self._places]

    def buffers(self) -> list[Mapping[str, Tensor]]:
        """Return those of the replicas that took part in the stretch."""
        return [member.buffers for member in self._members.values() if member.buffers]

    def close(self) -> None:
        """End all actors at once; what they knew is not asked for."""
        self._pending.clear()
        for actor in [member.actor for member in self._members.values()] + [
            actor for place in self._places for actor in (place.actor, place.mirror) if actor is not None
        ]:
            ray.kill(actor)
        self._members, self._places = {}, []

    def _wait(self) -> None:
        """Take the next thing that Ray has to tell, if there is one within a second."""
        ready, _ = ray.wait(list(self._pending), num_returns=1, timeout=1.0)
        for ref in ready:
            self._pending.pop(ref)(ref)

    # Replicas.

    def _start(self, place: int) -> None:
        self._numbers += 1
        shards = [(one.life, one.actor) for one in self._places]
        setup, execution = self._parts
        actor = self._replica.remote(
            self._numbers, setup, execution, self._slices, shards, self._options, self._wire, self._beside
        )
        member = self._members[place] = _Member(place, self._numbers, actor)
        self._pending[actor.ready.remote()] = partial(self._is_ready, member)

    def _is_ready(self, member: _Member, ref: Any) -> None:
        try:
            member.ahead = _answer(ref)
        except LOST:
            self._lose(member)
            return
        for place in self._places:  # it may have been replaced while this one was coming
            member.actor.use.remote(place.number, place.life, place.actor)
        self._occupy()

    def _occupy(self) -> None:
        """Give those something to do that have nothing, one batch after the other to each."""
        beginning = [
            member
            for member in list(self._members.values())
            if member.ahead and not member.is_running and member.place < self._width
            if self._dealer.has_more and self._begins(member)
        ]
        hands: dict[int, list[int]] = {member.number: [] for member in beginning}
        for _ in range(max((member.ahead for member in beginning), default=0)):
            for member in beginning:
                if len(hands[member.number]) < member.ahead:
                    hands[member.number] += self._dealt_to(member)
        for member in beginning:
            self._hand(member, hands[member.number])
        self._tell_the_end()

    def _begins(self, member: _Member) -> bool:
        """Have a replica begin a stretch, or a part of one that was left by another; false where it is lost."""
        try:
            ray.get(member.actor.begin.remote(member.buffers or self._buffers))
        except LOST:
            self._lose(member)
            return False
        member.is_running, member.was_told_the_end, member.dealt, member.limit = True, False, 0, None
        self._dealer.join(member.number)
        self._count_on()
        self._pending[member.actor.reports.remote()] = partial(self._reported, member)
        return True

    def _dealt_to(self, member: _Member) -> list[int]:
        """Return one batch, or none where none is left."""
        number = self._dealer.deal(member.number)
        return [] if number is None else [number]

    def _hand(self, member: _Member, numbers: list[int]) -> None:
        member.actor.deal.remote(member.dealt, numbers, self._limit(member))
        member.dealt += len(numbers)

    def _limit(self, member: _Member) -> int | None:
        """How many batches it may begin, where leads are bounded."""
        bounded = self._options.mitigation == "bounded"
        return self._dealer.limit(member.number, self._options.bound) if bounded else None

    def _admit(self) -> None:
        """Let those go on that waited for the slowest, if it has."""
        for member in self._members.values():
            if member.is_running and (limit := self._limit(member)) != member.limit:
                member.limit = limit
                member.actor.deal.remote(member.dealt, [], limit)

    def _tell_the_end(self) -> None:
        """Where nothing is left to deal, say so, lest prepared batches wait for more."""
        for member in self._members.values():
            if member.is_running and not member.was_told_the_end and not self._dealer.has_more:
                member.was_told_the_end = True
                member.actor.end.remote(member.dealt)

    def _reported(self, member: _Member, ref: Any) -> None:
        try:
            reports = _answer(ref)
        except LOST:
            self._lose(member)
            return
        self._strikes = 0
        for report, lives in reports:
            self._hear(report.taken, lives)
            if isinstance(report, Ended):
                member.is_running, member.buffers = False, report.buffers
            else:
                self._dealer.report(member.number, report.pushed)
                self._news.append((member.place, report))
                if not member.was_told_the_end:
                    self._hand(member, self._dealt_to(member))
        if member.is_running:
            self._pending[member.actor.reports.remote()] = partial(self._reported, member)
        else:
            self._count_on()
        self._occupy()
        self._admit()

    def _lose(self, member: _Member) -> None:
        """Count what went with a replica, and have another take its place."""
        lost = self._dealer.lose(member.number) if member.is_running else Lost(0, 0)
        member.is_running = False
        self._tally.lost_replicas += 1
        self._tally.lost_pushes += lost.pushes
        self._news.extend([(member.place, None)] * lost.begun)
        say(f"replica {member.place} was lost, with {lost.pushes} of its pushes; another takes its place")
        self._strike(f"replica {member.place}")
        for place in self._places:
            place.actor.forget.remote(member.number)
        self._count_on()
        self._start(member.place)
        self._occupy()
        self._admit()

    def _count_on(self) -> None:
        """Say to the shards how many gradients they may wait for, where they do."""
        if self._options.mitigation == "synchronous":
            there = sum(member.is_running for member in self._members.values())
            wanted = max(1, min(there, self._options.replicas - self._options.backups))
            for place in self._places:
                self._of_shard(place, "wait_for", wanted)

    def _strike(self, what: str) -> None:
        self._strikes += 1
        if self._strikes > TRIES * (len(self._members) + len(self._places)):
            raise BrokenOff(f"{what} is lost again and again, before anything is done; is memory short on its machine?")

    # Shards.

    def _occupy_place(self, place: _Place, state: ShardState) -> None:
        """Start an actor for a shard, and what keeps it."""
        place.actor = self._shard_beside(place.mirror, place.number, state)
        if self._options.replicate:
            if place.mirror is None:
                self._start_mirror(place, state)
            self._of_shard(place, "mirror_to", place.mirror)
        self._keep(place)

    def _keep(self, place: _Place) -> None:
        """Ask for the next copy, and so hear of the end of the actor."""
        at = float("inf") if self._options.replicate else place.kept.clock + self._options.keep_every
        self._pending[place.actor.after.remote(at)] = partial(self._kept, place, place.life)

    def _kept(self, place: _Place, life: int, ref: Any) -> None:
        try:
            state = _answer(ref)
        except LOST:
            if life == place.life:
                self._replace(place)
            return
        if life == place.life:
            place.kept = state
            self._keep(place)

    def _replace(self, place: _Place) -> None:
        """Have another actor take a shard's place, with the newest state that there is."""
        state = self._mirrored(place) or place.kept
        place.kept, place.life = state, place.life + 1
        lost = max(0, self._tally.clocks[place.number] - state.clock)
        place.ends.append(max(state.clock, self._tally.clocks[place.number]))
        self._tally.lost_shards += 1
        self._tally.lost_updates += lost
        self._tally.clocks[place.number] = state.clock
        say(f"shard {place.number} was lost, with {lost} of its updates; another goes on from update {state.clock}")
        self._strike(f"shard {place.number}")
        self._occupy_place(place, state)
        for member in self._members.values():
            member.actor.use.remote(place.number, place.life, place.actor)
        if self._options.mitigation == "synchronous":
            self._count_on()

    def _mirrored(self, place: _Place) -> ShardState | None:
        if place.mirror is None:
            return None
        try:
            return _answer(place.mirror.state.remote())
        except LOST:
            place.mirror = None
            return None

    def _start_mirror(self, place: _Place, state: ShardState) -> None:
        place.mirror = self._shard_beside(place.actor, place.number, state)
        self._pending[place.mirror.after.remote(float("inf"))] = partial(self._mirror_ended, place, place.mirror)

    def _shard_beside(self, other: Any, number: int, state: ShardState) -> Any:
        """Start an actor of a shard, where it is not lost together with the other one."""
        how = {"max_concurrency": 4 * self._options.replicas + 16, "num_cpus": 0, **apart_from(other, turn=number)}
        return ray.remote(ShardActor).options(**how).remote(self._rule, self._slices.spans(number), state)

    def _mirror_ended(self, place: _Place, mirror: Any, ref: Any) -> None:
        if place.mirror is mirror:
            place.mirror = None
            say(f"the copy of shard {place.number} was lost; another takes its place")
            self._strike(f"the copy of shard {place.number}")
            state = self._of_shard(place, "state")
            if place.mirror is None:  # else the shard was lost too and has been given one
                self._start_mirror(place, state)
                self._of_shard(place, "mirror_to", place.mirror)

    def _of_shard(self, place: _Place, method: str, *arguments: Any) -> Any:
        """Ask a shard, or who takes its place."""
        while True:
            life = place.life
            try:
                return _answer(getattr(place.actor, method).remote(*arguments))
            except LOST:
                if life == place.life:
                    self._replace(place)

    def _hear(self, taken: Sequence[Taken], lives: Sequence[int]) -> None:
        """Note clocks and staleness; of an actor that is lost by now, what it had done since it was heard of."""
        self._tally.take(taken)
        for place, one, life in zip(self._places, taken, lives, strict=False):
            if life == place.life:
                self._tally.clocks[place.number] = max(self._tally.clocks[place.number], one.clock)
            elif one.clock > place.ends[life]:
                self._tally.lost_updates += one.clock - place.ends[life]
                place.ends[life] = one.clock


def _answer(ref: Any) -> Any:
    """Wait for an answer; an error that its user can mend is raised as it was."""
    try:
        return ray.get(ref)
    except RayTaskError as error:
        if isinstance(error.cause, InputError):
            raise error.cause from None
        raise
