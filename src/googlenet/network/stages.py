"""A network cut into stages, each a run of its rows that one process computes: read from the specification alone.

Section 6: "modest amount of model ... parallelism". A head is computed where the row is on which it hangs; its logits
go along with the activations to the last stage, which knows all losses. Bytes are of float32.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import inf, prod

from googlenet.errors import InputError
from googlenet.network.cost import FLOAT, node_kept_bytes, node_multiply_adds, node_parameters
from googlenet.network.graph import Node, expand
from googlenet.network.specification import Specification

__all__ = ["Cut", "Stage", "bubble", "check_processes", "check_stages", "check_trained", "cut", "in_flight", "rows_of"]

MOST_STAGES = 32

TOLERANCE = 0.02
"""How much slower than need be the slowest stage may be where less crosses from stage to stage then."""


@dataclass(frozen=True)
class Stage:
    """Rows that one process computes, in their order, and the heads that hang on them; bytes are those of an image."""

    rows: tuple[str, ...]
    heads: tuple[str, ...]
    cost: float
    """Of its rows and heads together, in the unit in which they were given."""
    parameters: int
    received_bytes: int
    """What it gets from the stage before: activations, and logits of heads before; as much gradient goes back."""
    sent_bytes: int
    kept_bytes: int
    """What its forward pass leaves for the backward one, beside what it received."""


@dataclass(frozen=True)
class Cut:
    """The stages of a network, the first rows first."""

    stages: tuple[Stage, ...]

    @property
    def balance(self) -> float:
        """The mean cost of a stage as a share of the largest, which all others wait for."""
        costs = [stage.cost for stage in self.stages]
        return sum(costs) / len(costs) / max(costs) if max(costs) else 1.0

    def memory_bytes(self, stage: int, images: int, parts: int) -> int:
        """Estimate what `stage`, from 0, needs to train with SGD on batches of `images`, cut into so many parts.

        That is weights, gradients and velocity, what is kept of the parts under way, and what crosses, for which every
        part has room of its own.
        """
        found, size = self.stages[stage], -(-images // parts)
        under_way = in_flight(stage, len(self.stages), parts)
        crossing = parts * (found.received_bytes + found.sent_bytes)
        return 3 * FLOAT * found.parameters + size * (under_way * found.kept_bytes + crossing)


def cut(specification: Specification, stages: int, costs: Mapping[str, float] | None = None) -> Cut:
    """Cut a network into `stages` whose largest cost is the least possible, to two per cent, with little that crosses.

    `costs` are those of the rows by name, with the heads that hang on them; by default their multiply-adds. Raises
    `InputError` where there are fewer rows than stages.
    """
    members = _members(specification)
    check_stages(specification, stages)
    given = _multiply_adds(members) if costs is None else costs
    crossing = _crossing(members)
    names = list(members)
    ends = _ends([given[name] for name in names], crossing[1:-1], stages)
    found = []
    for start, end in pairwise((0, *ends)):
        nodes = [node for name in names[start:end] for node in members[name]]
        first_input = FLOAT * prod(specification.input) if start == 0 else 0
        found.append(
            Stage(
                rows=tuple(names[start:end]),
                heads=tuple(dict.fromkeys(node.row for node in nodes if node.auxiliary)),
                cost=sum(given[name] for name in names[start:end]),
                parameters=sum(map(node_parameters, nodes)),
                received_bytes=crossing[start],
                sent_bytes=crossing[end],
                kept_bytes=first_input + sum(map(node_kept_bytes, nodes)),
            )
        )
    return Cut(tuple(found))


def check_stages(specification: Specification, stages: int) -> None:
    """Raise `InputError` unless the network has at least as many rows as `stages`, at least 1."""
    rows = len(specification.rows) + 1
    if not 1 <= stages <= min(rows, MOST_STAGES):
        most = f"{rows} rows, the classifier among them" if rows <= MOST_STAGES else f"at most {MOST_STAGES} stages"
        raise InputError(f"stages {stages}: {specification.name} has {most}; give 1 to {min(rows, MOST_STAGES)}")


def check_trained(specification: Specification, stages: int) -> None:
    """Raise `InputError` unless the network can be trained in so many `stages`."""
    check_stages(specification, stages)
    if stages > 1 and specification.convolution.batch_norm:
        raise InputError(
            f"stages {stages}: {specification.name} normalises over batches, and in stages it would over"
            " parts of them; give a network without batch normalisation, or leave stages out"
        )


def check_processes(stages: int, processes: int) -> None:
    """Raise `InputError` unless so many processes are one or more times as many as `stages`, at least 1."""
    if stages < 1:
        raise InputError(f"stages {stages}: give at least 1")
    if processes % stages:
        there = "is one process" if processes == 1 else f"are {processes} processes"
        raise InputError(f"stages {stages}: there {there}; give {stages}, {2 * stages}, {3 * stages} ... (--processes)")


def rows_of(specification: Specification) -> tuple[str, ...]:
    """Return the names of what stages are made of: the rows, and `classifier`."""
    return (*(row.name for row in specification.rows), "classifier")


def bubble(stages: int, parts: int) -> float:
    """Return the share of the time in which a stage has nothing to do: while the first parts come and the last go."""
    return (stages - 1) / (parts + stages - 1)


def in_flight(stage: int, stages: int, parts: int) -> int:
    """Return of how many parts `stage`, from 0, keeps activations at a time.

    With as many parts as stages or more, each stage computes one forward and one backward in turns as soon as it can.
    """
    return parts if parts < stages else stages - stage


def _members(specification: Specification) -> dict[str, list[Node]]:
    """The operations of each row, with those of the heads that hang on it."""
    after = {head.name: head.after for head in specification.auxiliary}
    members: dict[str, list[Node]] = {name: [] for name in rows_of(specification)}
    for node in expand(specification):
        if node.row != "softmax":
            members[after.get(node.row, node.row)].append(node)
    return members


def _multiply_adds(members: Mapping[str, Sequence[Node]]) -> dict[str, int]:
    return {name: sum(map(node_multiply_adds, nodes)) for name, nodes in members.items()}


def _crossing(members: Mapping[str, Sequence[Node]]) -> list[int]:
    """Bytes an image that would cross before the first row (0), after each row, and after the last (0)."""
    logits = accumulate(
        FLOAT * sum(node.output[0] for node in nodes if node.auxiliary and node.name.endswith("/classifier"))
        for nodes in members.values()
    )
    outputs = [[node.output for node in nodes if not node.auxiliary][-1] for nodes in members.values()]
    after = [FLOAT * prod(output) + carried for output, carried in zip(outputs, logits, strict=True)]
    return [0, *after[:-1], 0]


def _ends(costs: Sequence[float], crossing: Sequence[int], stages: int) -> list[int]:
    """Return where each stage ends; `crossing` is what would cross between each row and the next."""
    sums = [0.0, *accumulate(costs)]
    limit = _least_limit(costs, stages) * (1 + TOLERANCE)
    least = {0: 0}
    """The least that has crossed where so many rows have been shared out; the stages so far are as many as rounds."""
    before: list[dict[int, int]] = []
    for _ in range(stages):
        found: dict[int, int] = {}
        origin: dict[int, int] = {}
        for start, crossed in least.items():
            for end in range(start + 1, len(costs) + 1):
                if sums[end] - sums[start] > limit:
                    break
                total = crossed + (crossing[end - 1] if end < len(costs) else 0)
                if total < found.get(end, inf):
                    found[end], origin[end] = total, start
        least = found
        before.append(origin)
    ends = [len(costs)]
    for origin in reversed(before[1:]):
        ends.append(origin[ends[-1]])
    return ends[::-1]


def _least_limit(costs: Sequence[float], stages: int) -> float:
    """Return the least cost within which each of so many stages can stay, to rounding."""
    low, high = max(costs), sum(costs)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if _needed(costs, middle) <= stages else (middle, high)
    return high


def _needed(costs: Sequence[float], limit: float) -> int:
    count, held = 1, 0.0
    for one in costs:
        held += one
        if held > limit:
            count, held = count + 1, one
    return count
