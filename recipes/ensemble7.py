"""Section 7 on CIFAR-10: seven models that differ in sampling and order of the images alone, and Table 3 of them.

    python recipes/ensemble7.py DATA [FOLDER]

DATA is a folder with CIFAR-10 as shards, train-0000.tar.gz to train-0009.tar.gz, shuffled once, test-0000.tar.gz and
test-0001.tar.gz. All members begin with the same weights but the seventh, which is wider. The last of the training
shards is never trained on: the single model of the table is the best one on it. FOLDER keeps a run for each member,
the ensemble, and the report. Ended or killed, the same command goes on.

Each core trains one member at a time, the wider one first.

Hardware  2 CPU cores
Time      an hour for training at 150 images/s a core, evaluation 23 minutes with --images 2000
Expected  docs/results.md, "Seven models"
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from signal import SIGINT
from statistics import mean, stdev
from subprocess import PIPE, Popen
from typing import Any

import googlenet
from googlenet.data.dataset import Subset
from googlenet.data.sources import open_dataset
from googlenet.errors import whole
from googlenet.evaluation.comparison import compare
from googlenet.evaluation.results import Row
from googlenet.files import atomic_write
from googlenet.machine import keep_freed_memory, processor
from googlenet.paper import TABLE_3
from googlenet.processes import INTERRUPTED
from googlenet.reporting.console import percent, say, table
from googlenet.training.run import Run

TRAINING, HELD_OUT, TEST = "train-{0000..0008}.tar.gz", "train-0009.tar.gz", "test-{0000..0001}.tar.gz"

CROPS, COMBINATIONS = ("1", "10", "144", "howard-90"), ("mean", "max")

PAPER = {(models, str(crops)): error for models, crops, error in TABLE_3}
"""Top-5 error in % by models and crops."""

Cell = tuple[int, str, str]
"""A place in the table: number of models, crops, combination."""

ROW_HEADERS = (
    *("models", "crops", "combination", "top-1 %", "95 % interval", "each alone", "top-5 error", "paper's, ImageNet"),
    *("multiply-adds", "performed", "s an image"),
)
PAIR_HEADERS = ("from", "to", "points", "95 % interval", "right alone", "p")


@dataclass(frozen=True)
class Member:
    """What one of the seven has of its own, beside the seed of its order, patches and dropout."""

    sampling: str
    width: float = 0.25
    """Of googlenet-cifar's channels."""


MEMBERS = (*[Member("larger"), Member("paper")] * 3, Member("larger", width=0.3125))
"""The paper: "some of the models were trained mainly on the smaller relative crops, others on larger ones"."""

RECIPE = googlenet.Recipe(
    epochs=3,
    batch_size=64,
    rate=0.1,
    schedule="one-cycle",
    nesterov=True,
    weight_decay=5e-4,
    label_smoothing=0.1,
    auxiliary_weight=0.0,
    distortion="none",
    evaluate_every=3,
    save_minutes=0.2,
)
"""Rate and batch by short runs, one of each (half the channels, 15,000 images, 8 epochs, "larger" patches): 62.8 % of
2,500 held-out images; 61.8 % at half the rate, 62.4 % with batches of 128. "paper" patches at half the rate: 58.0 %."""


def main() -> None:
    """Train what is left to train, evaluate what is left to evaluate, print the table and keep it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with the shards")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs/ensemble7"), help="where everything is kept")
    parser.add_argument("--images", type=int, help="evaluate on so many test images only, the first ones")
    parser.add_argument("--member", type=int, choices=range(1, len(MEMBERS) + 1), help="train it alone")
    options = parser.parse_args()
    if options.images is not None:
        whole("--images", options.images)
    if options.member is not None:
        train_member(options.data, options.folder, options.member)
        return
    runs = train_members(options.data, options.folder)
    print(judge(runs, options.data, options.folder, options.images))


def train_members(data: Path, folder: Path) -> list[Run]:
    """Train all members to their end, as many at a time as there are cores, and what takes longest first."""
    training = open_dataset(f"{data}/{TRAINING}")
    for member in MEMBERS:
        first_weights(folder, training.classes, member.width)
    numbers = range(1, len(MEMBERS) + 1)
    left = [number for number in numbers if not (member_folder(folder, number) / "summary.json").exists()]
    left.sort(key=lambda number: -MEMBERS[number - 1].width)
    started: list[Popen[str]] = []
    with ThreadPoolExecutor(processor().cores) as cores:
        try:
            for end in as_completed([cores.submit(train_apart, data, folder, number, started) for number in left]):
                end.result()
        except BaseException:
            cores.shutdown(wait=False, cancel_futures=True)
            for process in started:
                process.send_signal(SIGINT)
            raise
    return [train_member(data, folder, number) for number in numbers]


def train_apart(data: Path, folder: Path, number: int, started: list["Popen[str]"]) -> None:
    """Train a member in a process of its own, which ends with this one; repeat what it says."""
    member = MEMBERS[number - 1]
    say(f"member {number} of {len(MEMBERS)}: patches '{member.sampling}', {member.width:g} of the channels")
    arguments = ["ensemble7", str(data), str(folder), f"--member={number}"]
    paths = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {"OMP_NUM_THREADS": "1"} | os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    with Popen(
        [sys.executable, "-m", "googlenet.processes", *arguments],
        stdin=PIPE,
        stderr=PIPE,
        encoding="utf-8",
        errors="replace",
        env=environment,
        start_new_session=True,
    ) as process:
        started.append(process)
        assert process.stderr is not None
        for line in process.stderr:
            say(f"member {number}: {line.rstrip()}")
    if process.returncode == INTERRUPTED:
        raise KeyboardInterrupt
    if process.returncode:
        raise googlenet.InputError(f"member {number} ended with status {process.returncode}; the same command goes on")


def train_member(data: Path, folder: Path, number: int) -> Run:
    """Train one member to its end; one that is there already is only returned."""
    member, training = MEMBERS[number - 1], open_dataset(f"{data}/{TRAINING}")
    return googlenet.train(
        training,
        replace(RECIPE, sampling=member.sampling, seed=number),
        validation=f"{data}/{HELD_OUT}",
        pretrained=first_weights(folder, training.classes, member.width),
        output=member_folder(folder, number),
    )


def member_folder(folder: Path, number: int) -> Path:
    """Return where a member's run is kept."""
    return folder / f"member-{number}"


def first_weights(folder: Path, classes: tuple[googlenet.Class, ...], width: float) -> Path:
    """Return the checkpoint with which all members of a width begin; it is written once.

    Its pictures are resized to 37 and cropped to 32, as the paper's are to 256 and 224.
    """
    path = folder / f"first-x{width:g}.safetensors"
    if not path.exists():
        described = googlenet.specification("googlenet-cifar", classes=len(classes), width=width)
        pixels = replace(described.pixels, resize=replace(described.pixels.resize, size=37))
        network = googlenet.create(replace(described, pixels=pixels))
        googlenet.save(path, googlenet.Checkpoint(network.specification, classes, network.state_dict()))
    return path


def judge(runs: Sequence[Run], data: Path, folder: Path, images: int | None) -> str:
    """Evaluate the members and all of them together; keep Table 3 as JSON, and return it as text."""
    weights = [run.weights for run in runs]
    googlenet.save_ensemble(folder / "ensemble7.json", weights)
    test = open_dataset(f"{data}/{TEST}")
    some = Subset(test, range(len(test))[:images])
    found = googlenet.evaluate(weights, some, crops=CROPS, combination=COMBINATIONS, report=folder / "report")
    assert found is not None
    held_out = {run.folder.name: held_out_top1(run) for run in runs}
    chosen = max(held_out, key=held_out.__getitem__)
    cells = grid(found.rows, chosen)
    kept = {
        "images": found.images,
        "held_out_top1": held_out,
        "chosen": chosen,
        "rows": [described(row, found.rows) for row in cells.values()],
        "comparisons": [compared(cells, *pair) for pair in neighbours(len(runs))],
    }
    with atomic_write(folder / "table3.json") as file:
        file.write(json.dumps(kept, indent=1).encode() + b"\n")
    return told(kept)


def held_out_top1(run: Run) -> float:
    """Return the share of the held-out images that a member's final weights were right about."""
    return float(run.summary["evaluation"][run.summary["weights"]]["top1"])


def grid(rows: Sequence[Row], chosen: str) -> dict[Cell, Row]:
    """Return the rows of the chosen model and of all together, without the maximum over one view."""
    found = {
        (len(row.models), row.crops, row.combination): row
        for row in rows
        if (row.models == (chosen,) or len(row.models) > 1) and (row.crops, row.combination) != ("1", "max")
    }
    return dict(sorted(found.items(), key=lambda item: item[0][0]))


def neighbours(models: int) -> Iterator[tuple[Cell, Cell]]:
    """Yield pairs of cells that differ in one thing alone; the paper found the second of each to be the better one."""
    for count in (1, models):
        for fewer, more in (("1", "10"), ("10", "144"), ("howard-90", "144")):
            yield (count, fewer, "mean"), (count, more, "mean")
        for crops in CROPS[1:]:
            yield (count, crops, "max"), (count, crops, "mean")
    for crops in CROPS:
        yield (1, crops, "mean"), (models, crops, "mean")


def described(row: Row, rows: Sequence[Row]) -> dict[str, Any]:
    """Return a row as JSON; that of one model with mean and deviation of every model alone."""
    found = row.to_json() | {"paper_top5_error": PAPER.get((len(row.models), row.crops))}
    if len(row.models) > 1:
        return found
    alone = [
        other.outcome.top1
        for other in rows
        if len(other.models) == 1 and (other.crops, other.combination) == (row.crops, row.combination)
    ]
    return found | {"mean_top1": mean(alone), "deviation_top1": stdev(alone)}


def compared(cells: Mapping[Cell, Row], first: Cell, second: Cell) -> dict[str, Any]:
    """Return how much better the second is than the first, as JSON."""
    right = [cells[cell].outcome.ranks == 0 for cell in (second, first)]
    return {"from": list(first), "to": list(second)} | compare(*right).to_json()


def told(kept: Mapping[str, Any]) -> str:
    """Return what is kept as tables to read."""
    rows = [
        [
            len(row["models"]),
            row["crops"],
            row["combination"],
            percent(row["top1"], 2),
            interval(row["top1_interval"]),
            f"{percent(row['mean_top1'], 2)[:-2]} ± {percent(row['deviation_top1'], 2)}" if "mean_top1" in row else "",
            None if row["top5"] is None else percent(1 - row["top5"], 2),
            row["paper_top5_error"],
            f"{row['multiply_adds'] / 1e9:.2f} G",
            f"{row['multiply_adds_performed'] / 1e9:.2f} G",
            f"{row['seconds_per_image']:.4f}",
        ]
        for row in kept["rows"]
    ]
    pairs = [
        [
            words(one["from"]),
            words(one["to"]),
            f"{100 * one['difference']:+.2f}",
            interval(one["interval"]),
            f"{one['first_alone']} : {one['second_alone']}",
            f"{one['p']:.2g}",
        ]
        for one in kept["comparisons"]
    ]
    alone = ", ".join(f"{name} {percent(rate)}" for name, rate in kept["held_out_top1"].items())
    return "\n\n".join(
        [
            f"held-out images: {alone}; the single model is {kept['chosen']}",
            f"{kept['images']:,} test images",
            table(ROW_HEADERS, rows),
            table(PAIR_HEADERS, pairs),
        ]
    )


def words(cell: Sequence[Any]) -> str:
    """Return a cell as a table names it."""
    models, crops, combination = cell
    return f"{models} model{'s' * (models > 1)}, {crops} crop{'s' * (crops != '1')}, {combination}"


def interval(ends: Sequence[float] | None) -> str:
    """Return a 95 % interval in percent."""
    return "" if ends is None else f"{100 * ends[0]:.2f} to {100 * ends[1]:.2f}"


if __name__ == "__main__":
    keep_freed_memory()
    try:
        main()
    except googlenet.InputError as error:
        sys.exit(f"ensemble7: {error}")
    except KeyboardInterrupt as error:
        say(f"ensemble7: {str(error) or 'interrupted'}; the same command goes on")
        sys.exit(130)
