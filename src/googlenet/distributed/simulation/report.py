"""The report of a comparison: one page that needs nothing else, and the figures behind it as JSON."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from googlenet.distributed.simulation.answers import answer, speed_up, worth
from googlenet.distributed.simulation.cluster import ARMS, Arm
from googlenet.distributed.simulation.kept import RUNS
from googlenet.distributed.simulation.learning import Learnt
from googlenet.distributed.simulation.study import Study
from googlenet.distributed.simulation.throughput import Throughput
from googlenet.errors import counted
from googlenet.files import atomic_write
from googlenet.records import encode
from googlenet.reporting.console import duration, percent
from googlenet.reporting.curves import Curve, Panel, draw_curves
from googlenet.reporting.html import Figure, Illustration, Table, render
from googlenet.reporting.pictures import file_uri
from googlenet.versions import command, hardware, versions

__all__ = ["FILES", "HEADERS", "rows_of", "to_json", "write_report"]

PAGE, FIGURES = "report.html", "simulation.json"
SPEED, STALENESS, LEARNING = "speed.png", "staleness.png", "learning.png"

FILES = (PAGE, FIGURES, SPEED, STALENESS, LEARNING, RUNS)
"""All that a report's folder holds."""

HEADERS = (
    "exchange",
    "workers",
    "images/s",
    "times one",
    "computing",
    "waiting",
    "failures",
    "staleness",
    "shard load",
)
"""Shares of the workers' time; the mean staleness; the load of the shard that is occupied most."""

HISTOGRAMS, BINS = 4, 40
"""Numbers of workers whose staleness is drawn, from the fewest to the most, and parts of each drawing."""


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    heading: str
    text: str
    charts: Sequence[Illustration] = ()
    tables: Sequence[Table] = ()


def rows_of(study: Study) -> list[tuple[object, ...]]:
    """Return a row of `HEADERS` for each pace."""
    return [
        (
            pace.arm,
            pace.workers,
            _rate(pace.images_per_second),
            f"{speed_up(study, pace):,.2f}",
            percent(pace.computing),
            percent(pace.waiting),
            percent(pace.failing),
            f"{pace.mean_staleness:,.1f}",
            percent(max(pace.shard_load)) if pace.shard_load else None,
        )
        for pace in study.paces
    ]


def to_json(study: Study) -> dict[str, Any]:
    """Return the shape of `simulate --json`."""
    return {
        "cluster": encode(study.cluster)
        | {name: getattr(study.cluster, name) for name in ("parameters", "wire_bytes")},
        "settings": encode(study.settings),
        "answers": answer(study),
        "throughput": [_pace(study, pace) for pace in study.paces],
        "learning": [encode(run) | {"best": run.best} for run in study.learnt],
        "calibration": _calibration(study),
    }


def write_report(study: Study, folder: Path) -> Path:
    """Write `report.html`, `simulation.json` and the charts; return the page's path."""
    cluster = study.cluster
    learner = study.settings.learner or "two small modules"
    images = counted(cluster.batch_size, "images")
    page = render(
        "simulation.html",
        title=f"{cluster.network} on many machines",
        subtitle=f"{images} a worker, {cluster.bandwidth:g} Gbit/s, {cluster.latency:g} ms",
        figures=_figures(study),
        words=answer(study),
        sections=[
            _speed(study, folder),
            *_staleness(study, folder),
            *_learning(study, folder, learner),
            *_calibrated(study),
        ],
        command=command(),
        settings=_settings(study),
        versions=versions(),
        hardware={"machine": hardware()},
    )
    behind = to_json(study) | {"command": command()}
    for name, text in (
        (FIGURES, json.dumps(behind, indent=1, allow_nan=False) + "\n"),
        (PAGE, page),
    ):
        with atomic_write(folder / name) as file:
            file.write(text.encode("utf-8", "backslashreplace"))
    return folder / PAGE


def _pace(study: Study, pace: Throughput) -> dict[str, Any]:
    found = {name: getattr(pace, name) for name in ("arm", "workers", "images_per_second", "computing", "waiting")}
    found |= {"failing": pace.failing, "dropped": pace.dropped, "speed_up": speed_up(study, pace)}
    found |= {"mean_staleness": pace.mean_staleness, "shard_load": list(pace.shard_load)}
    return found | {"staleness": {str(late): times for late, times in pace.staleness.items()}}


def _calibration(study: Study) -> dict[str, Any] | None:
    if study.calibration is None:
        return None
    exchanges = [
        encode(compared)
        | {"rows": [encode(row) | {"error": row.error} for row in compared.rows], "error": compared.error}
        for compared in study.calibration.exchanges
    ]
    return encode(study.calibration) | {"exchanges": exchanges, "error": study.calibration.error}


def _figures(study: Study) -> list[Figure]:
    """For each exchange the machines that are worth it; what one does alone; the calibration's error."""
    figures = []
    for arm in dict.fromkeys(pace.arm for pace in study.paces):
        best = worth(study, arm)
        value = f"{best.workers:,}" if best else "none"
        note = f"{speed_up(study, best):,.3g} times one, {_rate(best.images_per_second)} images/s" if best else ""
        figures.append(Figure(f"Machines that are worth it, {arm}", value, note=note))
    figures.append(Figure("One machine", f"{_rate(study.alone.images_per_second)} images/s"))
    if study.calibration:
        note = ", ".join(f"{compared.arm} {percent(compared.error)}" for compared in study.calibration.exchanges)
        figures.append(Figure("Error of the calibration", percent(study.calibration.error), note=note))
    return figures


def _settings(study: Study) -> dict[str, Any]:
    values = encode(study.cluster) | encode(study.settings)
    return {name: " ".join(map(str, value)) if isinstance(value, list) else value for name, value in values.items()}


def _speed(study: Study, folder: Path) -> Section:
    path = folder / SPEED
    most = max(pace.workers for pace in study.paces)
    ideal = Curve("every machine at its full speed", (1, most), (1, most))

    def over_workers(figure: Callable[[Throughput], float], paces: Sequence[Throughput]) -> tuple[Curve, ...]:
        return tuple(
            Curve(arm, [pace.workers for pace in some], [figure(pace) for pace in some])
            for arm, some in _by_arm(paces).items()
        )

    panels = [
        Panel("times one machine", (ideal, *over_workers(lambda pace: speed_up(study, pace), study.paces))),
        Panel("time in which a worker waits", over_workers(lambda pace: pace.waiting, study.paces), share=True),
        Panel("time that failures cost", over_workers(lambda pace: pace.failing, study.paces), share=True),
    ]
    if with_shards := [pace for pace in study.paces if pace.shard_load]:
        loads = over_workers(lambda pace: max(pace.shard_load), with_shards)
        panels.append(Panel("load of the shard that is occupied most", loads, share=True))
    draw_curves(path, panels, x_label="workers (logarithmic)", x_logarithmic=True)
    return Section(
        "Speed",
        "Images a second are those that count, beside those of one machine alone. Computing, waiting and failures are"
        " shares of the workers' time. The line of full speed is what so many machines would do without an exchange.",
        [Illustration(file_uri(path), "Speed, waiting, failures and load of the shards by number of workers")],
        [Table(HEADERS, rows_of(study), "Paces", heads=2), _described(study)],
    )


def _described(study: Study) -> Table:
    """What each exchange is."""
    return Table(
        ("exchange", "what it is"), [(arm, ARMS[arm]) for arm in study.settings.exchanges], "Exchanges", heads=1
    )


def _staleness(study: Study, folder: Path) -> list[Section]:
    """How late gradients come, of the first asynchronous exchange."""
    paces = [pace for pace in study.paces if pace.arm.startswith("downpour") and pace.workers > 1]
    if not paces:
        return []
    of_first = [pace for pace in paces if pace.arm == paces[0].arm]
    chosen = sorted({round(place * (len(of_first) - 1) / (HISTOGRAMS - 1)) for place in range(HISTOGRAMS)})
    panels = [
        Panel(f"{of_first[place].workers:,} workers", (_histogram(of_first[place]),), share=True) for place in chosen
    ]
    path = folder / STALENESS
    draw_curves(path, panels, x_label="updates that a gradient comes late")
    rows = [
        (
            pace.arm,
            pace.workers,
            f"{pace.mean_staleness:,.2f}",
            *(_quantile(pace, share) for share in (0.05, 0.5, 0.95)),
            max(pace.staleness),
        )
        for pace in paces
    ]
    headers = ("exchange", "workers", "mean", "5 % below", "median", "95 % below", "most")
    return [
        Section(
            "Staleness",
            "By how many updates of its shard a gradient comes late. With M equal workers the mean is about M - 1.",
            [Illustration(file_uri(path), "Staleness of the gradients, by number of workers")],
            [Table(headers, rows, "Staleness by number of workers", heads=2)],
        )
    ]


def _histogram(pace: Throughput) -> Curve:
    """The share of the gradients by staleness, in bins of some updates where these are many."""
    least, most = min(pace.staleness), max(pace.staleness)
    width = -(-(most - least + 1) // BINS)
    counts = [0] * (-(-(most - least + 1) // width))
    for late, times in pace.staleness.items():
        counts[(late - least) // width] += times
    middles = [least + (place + 0.5) * width - 0.5 for place in range(len(counts))]
    total = sum(counts)
    return Curve(f"share of the gradients, in at most {BINS} bins", middles, [count / total for count in counts])


def _quantile(pace: Throughput, share: float) -> int:
    """The smallest staleness that this share of the gradients does not exceed."""
    total, seen = sum(pace.staleness.values()), 0
    for late, times in sorted(pace.staleness.items()):
        seen += times
        if seen >= share * total:
            return late
    return 0


def _learning(study: Study, folder: Path, learner: str) -> list[Section]:
    if not study.learnt:
        return []
    alone = [run for run in study.learnt if run.workers == 1]
    counts = sorted({run.workers for run in study.learnt if run.workers > 1})
    panels = [
        Panel(
            f"accuracy, {counted(count, 'workers')}",
            tuple(_accuracies(run) for run in (*alone, *(one for one in study.learnt if one.workers == count))),
            share=True,
        )
        for count in counts or [1]
    ]
    path = folder / LEARNING
    images = counted(study.settings.learning_batch, "images")
    draw_curves(path, panels, x_label="simulated seconds (logarithmic)", x_logarithmic=True)
    charts = [Illustration(file_uri(path), "Accuracy over the simulated time, at the best rate of each")]
    return [
        Section(
            "Learning",
            f"A small network ({learner}) learns in the place of the large one, with real gradients: each of its"
            f" mini-batches of {images} takes the time of one of {study.cluster.network}."
            f" Every exchange has the best of {counted(len(study.settings.rates), 'rates')}.",
            charts,
            [_times_table(study, alone)],
        )
    ]


def _accuracies(run: Learnt) -> Curve:
    name = "one machine" if run.workers == 1 else run.arm
    return Curve(name, [point.seconds for point in run.points], [point.accuracy for point in run.points])


def _times_table(study: Study, alone: Sequence[Learnt]) -> Table:
    base = alone[0].reached.seconds if alone and alone[0].reached else None
    rows = []
    for run in study.learnt:
        met = run.reached
        told = (
            (duration(met.seconds), met.images, f"{base / met.seconds:,.2f}" if base else None) if met else (None,) * 3
        )
        rows.append((run.arm, run.workers, f"{run.rate:g}", *told, percent(run.best), run.diverged))
    target = percent(study.settings.target, 0)
    headers = ("exchange", "workers", "rate", "time", "images", "times as soon", "best accuracy", "diverged")
    return Table(headers, rows, f"Time to {target}", heads=2)


def _calibrated(study: Study) -> list[Section]:
    if study.calibration is None:
        return []
    found, images = study.calibration, counted(study.cluster.batch_size, "images")
    rows = [
        (
            compared.arm,
            row.workers,
            _rate(row.measured),
            f"{_rate(row.slowest)} to {_rate(row.fastest)}",
            _rate(row.foretold),
            f"{100 * row.error:+.1f} %".replace("-", "−"),
        )
        for compared in found.exchanges
        for row in compared.rows
    ]
    headers = ("exchange", "workers", "measured, images/s", "slowest to fastest step", "foretold, images/s", "error")
    cluster = found.exchanges[0].cluster
    links = "; ".join(
        f"{one.arm} {one.cluster.latency:.3g} ms, {one.cluster.bandwidth:.3g} Gbit/s" for one in found.exchanges
    )
    return [
        Section(
            "Calibration",
            f"Real workers of googlenet train on this machine, {cluster.network}, {images} each,"
            f" {found.threads} of {found.cores} cores a worker. The simulation was fed one worker's step"
            f" ({1e3 * (cluster.step_seconds or 0):,.1f} ms), that of several which exchange nothing, since they share"
            f" the machine, and what an exchange takes on its own ({links}).",
            tables=[Table(headers, rows, "Real workers and simulated ones", heads=2)],
        )
    ]


def _rate(images_per_second: float) -> str:
    """With four digits, or those before the point where these are more."""
    return f"{images_per_second:,.0f}" if images_per_second >= 1000 else f"{images_per_second:.4g}"


def _by_arm(paces: Sequence[Throughput]) -> dict[Arm, list[Throughput]]:
    found: dict[Arm, list[Throughput]] = {}
    for pace in paces:
        found.setdefault(pace.arm, []).append(pace)
    return found
