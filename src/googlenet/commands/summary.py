"""`googlenet summary`: Table 1 for any network, with the paper's figures beside ours, and why they differ."""

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Optional

from tyro.conf import Positional, arg

from googlenet.commands.stage_tables import staged_to_json, stages_page
from googlenet.errors import InputError
from googlenet.files import open_regular
from googlenet.network.cost import Cost, RowCost, cost
from googlenet.network.specification import Convolution, Inception, Row, Specification
from googlenet.network.stages import Cut, check_stages, check_trained, cut
from googlenet.network.zoo import NETWORKS, describe, specification
from googlenet.paper import TABLE_1
from googlenet.reporting.console import percent, say, table

LONGEST_SPECIFICATION = 16 * 2**20
"""Bytes; a thousand rows, the most that a network may have, take under 1 MB."""


@dataclass(frozen=True)
class Options:
    """Print the rows of a network: outputs, parameters, multiply-adds, memory, and the paper's figures."""

    # `Optional`, since tyro imports typeguard for `int | None`, which takes a third of this command's time.
    network: Annotated[Positional[str], arg(metavar="NETWORK")] = "googlenet"
    """A network of the zoo, or a specification in a .json file; `list` names the zoo."""
    classes: Annotated[Optional[int], arg(metavar="N")] = None  # noqa: UP045
    """How many classes (default: the network's own)."""
    width: Annotated[Optional[float], arg(metavar="FACTOR")] = None  # noqa: UP045
    """Multiply every channel count, rounded to multiples of 8."""
    budget: Annotated[Optional[float], arg(metavar="COUNT")] = None  # noqa: UP045
    """The widest network within so many multiply-adds an image."""
    batch: Annotated[int, arg(metavar="N")] = 32
    """The batch for which the memory of training is estimated."""
    stages: Annotated[Optional[int], arg(metavar="N")] = None  # noqa: UP045
    """Show how the rows are shared out among so many processes (`train --stages`)."""
    json: bool = False
    """Print one JSON object (docs/json.md)."""


def run(options: Options) -> int:
    """Print the summary."""
    if options.network == "list":
        print(table(["network", "what it is"], [(name, describe(name)) for name in NETWORKS]))
        return 0
    if options.batch < 1:
        raise InputError(f"--batch must be at least 1, found {options.batch}")
    network = _network(options)
    found = cost(network)
    staged = None if options.stages is None else _cut(network, options.stages)
    if options.json:
        print(json.dumps(to_json(found) | (staged_to_json(*staged, options.batch) if staged else {})))
        return 0
    print(_page(network, found, options.batch))
    if staged:
        print(f"\n{stages_page(*staged, options.batch)}")
    return 0


def to_json(found: Cost) -> dict[str, Any]:
    """Return the fixed shape of `summary --json`."""
    names = (
        "network",
        "parameters",
        "parameters_with_auxiliary",
        "multiply_adds",
        "multiply_adds_with_auxiliary",
        "activation_bytes",
        "training_activation_bytes",
    )
    return {name: getattr(found, name) for name in names} | {"rows": [asdict(row) for row in found.rows]}


MEASURED_TOGETHER = 4
"""Images with which rows are timed."""


def _cut(network: Specification, stages: int) -> tuple[Cut, str]:
    """Return the stages, and in words what they are balanced by."""
    check_stages(network, stages)
    try:
        check_trained(network, stages)
    except InputError as error:
        say(f"googlenet train would refuse it: {error}")
    try:
        from googlenet.training.execution import Execution
        from googlenet.training.row_costs import row_costs
    except ImportError:
        return cut(network, stages), "multiply-adds, as torch cannot be imported"
    costs = row_costs(network, Execution(), MEASURED_TOGETHER)
    return cut(network, stages, costs.seconds), str(costs)


def _network(options: Options) -> Specification:
    if not options.network.endswith(".json"):
        return specification(options.network, classes=options.classes, width=options.width, budget=options.budget)
    if (options.classes, options.width, options.budget) != (None, None, None):
        raise InputError(f"{options.network}: a specification says its own classes and width; leave those options out")
    try:
        with open_regular(options.network) as file:
            text = file.read(LONGEST_SPECIFICATION).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{options.network}: cannot be read ({error})") from None
    return Specification.from_json(text, options.network)


def _page(network: Specification, found: Cost, batch: int) -> str:
    lines = [
        f"{network.name}, input {_shape(network.input)}",
        "",
        _table_1(network, found.rows),
        "",
        f"parameters           {found.parameters:>15,}   {found.parameters_with_auxiliary:>15,} with auxiliary heads",
        f"multiply-adds        {found.multiply_adds:>15,}   {found.multiply_adds_with_auxiliary:>15,} with them",
        f"activations          {found.activation_bytes:>15,}   bytes an image, float32",
        f"training activations {found.training_activation_bytes:>15,}   bytes an image, with gradients and heads",
        f"training memory      {found.training_bytes(batch):>15,}   bytes for a batch of {batch} (estimate)",
    ]
    modules = {row.name: row for row in network.rows if isinstance(row, Inception)}
    if modules:
        costs = [row for row in found.rows if row.name in modules]
        lines += ["", "Millions of multiply-adds of each branch:", _branches(costs)]
        lines += ["", "Share of each branch in a module's output, by depth:", _shares(list(modules.values()))]
    if found.heads:
        heads = [(head.name, _shape(head.output), head.parameters, head.multiply_adds) for head in found.heads]
        headers = ["auxiliary head", "output", "parameters", "multiply-adds"]
        lines += ["", "In training only:", table(headers, heads, separators=True)]
    if _is_table_1(found.rows):
        lines += ["", "Beside the paper's Table 1 (its K is 1024, its M a million):", *_differences(found)]
    return "\n".join(lines)


def _table_1(network: Specification, rows: tuple[RowCost, ...]) -> str:
    """The paper's columns, the paper's own figures at the right."""
    headers = [
        "row",
        "patch/stride",
        "output",
        "depth",
        "#1x1",
        "#3x3 reduce",
        "#3x3",
        "#5x5 reduce",
        "#5x5",
        "pool proj",
    ]
    headers += ["parameters", "multiply-adds", "bytes", "paper: params", "ops"]
    described = {row.name: row for row in network.rows}
    lines = []
    for row in rows:
        depth = len({_stage(branch.name) for branch in row.branches if branch.parameters}) or int(row.parameters > 0)
        ours = [row.parameters, row.multiply_adds, row.activation_bytes]
        printed = [_kilo(row.paper_parameters), _million(row.paper_multiply_adds)]
        part = described.get(row.name)
        lines.append([row.name, _patch(part), _shape(row.output), depth, *_channels(part), *ours, *printed])
    return table(headers, lines, separators=True)


def _stage(layer: str) -> str:
    """Layers of a row that lie one behind the other are two stages; those side by side are one."""
    return "reduce" if layer.endswith(("reduce", "depthwise")) else "convolution"


def _patch(row: Row | None) -> str:
    kernel, stride = getattr(row, "kernel", None), getattr(row, "stride", None)
    return f"{kernel}x{kernel}/{stride}" if kernel else ""


def _channels(row: Row | None) -> list[int | str]:
    if isinstance(row, Inception):
        counts = (row.n1x1, row.n3x3_reduce, row.n3x3, row.n5x5_reduce, row.n5x5, row.pool_proj)
        return [count or "" for count in counts]
    if isinstance(row, Convolution) and row.reduce:
        return ["", row.reduce, row.channels, "", "", ""]
    return [""] * 6


def _shape(shape: tuple[int, int, int]) -> str:
    return "x".join(map(str, shape))


def _kilo(count: int | None) -> str | None:
    return None if count is None else f"{count / 1024:.4g}K"


def _million(count: int | None) -> str | None:
    return None if count is None else f"{count / 1e6:.4g}M"


def _branches(rows: list[RowCost]) -> str:
    names = ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_proj")
    lines = []
    for row in rows:
        costs = {branch.name: branch.multiply_adds for branch in row.branches}
        lines.append([row.name, *(f"{costs[name] / 1e6:.1f}" if name in costs else None for name in names)])
    return table(["module", *names], lines)


def _shares(modules: list[Inception]) -> str:
    """Section 4: the share of 3x3 and 5x5 convolutions should grow with depth."""
    lines = []
    for module in modules:
        counts = (module.n1x1, module.n3x3, module.n5x5, module.pool_proj)
        lines.append([module.name, *(percent(count / sum(counts), 0) for count in counts)])
    return table(["module", "1x1", "3x3", "5x5", "pool_proj"], lines)


def _is_table_1(rows: tuple[RowCost, ...]) -> bool:
    """Whether this is the paper's network or one that differs in a row or two."""
    same = sum(row.name in TABLE_1 and row.output == TABLE_1[row.name].output for row in rows)
    return same >= len(TABLE_1) - 3


_REASONS = {
    "conv1": "the paper's figures are those of a separable stem (7x7 depthwise, then 1x1): see googlenet-separable",
    "inception_4a": "the paper counted the network that Google published: 204 outputs of 3x3, not 208",
    "inception_5a": "the paper counted the network that Google published: a 5x5 reduction to 48, not 32",
}
"""Why the operations of the printed network are not those of the paper."""


def _differences(found: Cost) -> list[str]:
    """Say row by row what differs by more than the rounding of the paper, and why."""
    lines = []
    for row in found.rows:
        if row.paper_parameters is None or row.paper_multiply_adds is None:
            continue
        operations = round(row.multiply_adds / 1e6) * 10**6 == row.paper_multiply_adds
        if operations and _parameters_agree(row, row.paper_parameters):
            continue
        why = "the paper's parameters follow from no K, bias or rounding" if operations else _REASONS.get(row.name)
        ours = f"{row.parameters / 1024:.1f}K, {row.multiply_adds / 1e6:.1f}M"
        theirs = f"{_kilo(row.paper_parameters)}, {_million(row.paper_multiply_adds)}"
        lines.append(f"  {row.name}: {ours} here, {theirs} in the paper" + (f"; {why}" if why else ""))
    return lines or ["  every row agrees within rounding"]


def _parameters_agree(row: RowCost, printed: int) -> bool:
    """Whether they agree to one unit of the last printed digit, with the biases or without."""
    biases = sum(branch.output[0] for branch in row.branches if branch.parameters)
    unit = 1024 if printed >= 100 * 1024 else 103
    return min(abs(count - printed) for count in (row.parameters, row.parameters - biases)) <= unit
