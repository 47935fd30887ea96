"""What a comparison says, in words: how many machines are worth it, what limits them, and what learning makes of it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from googlenet.distributed.simulation.calibration import Compared
from googlenet.distributed.simulation.cluster import FASTEST, Arm, Cluster
from googlenet.distributed.simulation.learning import Learnt
from googlenet.distributed.simulation.link import in_step_seconds
from googlenet.distributed.simulation.machines import Machines
from googlenet.distributed.simulation.measuring import step_time
from googlenet.distributed.simulation.study import Study
from googlenet.distributed.simulation.throughput import Throughput
from googlenet.reporting.console import duration, percent, scaled

__all__ = ["WORTH", "answer", "answer_of_learning", "answer_of_pace", "efficiency", "limit_of", "speed_up", "worth"]

WORTH = 0.5
"""Machines are worth it as long as each does this share of what it does alone."""

OCCUPIED = 0.9
"""Load from which on shards are what is waited for."""


DOUBTFUL = 0.25
"""Error of the calibration from which on the first sentence speaks of it."""


def speed_up(study: Study, pace: Throughput) -> float:
    """Return how many times as fast as one machine alone."""
    return pace.images_per_second / study.alone.images_per_second


def efficiency(study: Study, pace: Throughput) -> float:
    """Return the share of what the machines would do alone."""
    return speed_up(study, pace) / pace.workers


def worth(study: Study, arm: Arm) -> Throughput | None:
    """Return the largest simulated number of workers that is worth it; None where one is not."""
    fit = [pace for pace in study.paces if pace.arm == arm and efficiency(study, pace) >= WORTH]
    return max(fit, key=lambda pace: pace.workers, default=None)


def limit_of(cluster: Cluster, pace: Throughput) -> str:
    """Return what costs the most of a pace, in words."""
    if pace.failing > pace.waiting:
        return "failures, after each of which all go back to the last checkpoint"
    if pace.shard_load and max(pace.shard_load) >= OCCUPIED:
        return f"the shards, which are occupied {percent(max(pace.shard_load), 0)} of the time; more of them would help"
    if pace.arm != "synchronous":
        return "the way of gradients and weights through each worker's own link"
    return max(_costs(cluster, pace.workers).items(), key=lambda item: item[1])[0]


def answer(study: Study) -> list[str]:
    """Return the findings as sentences, the answer to how many machines are worth it first."""
    return [*answer_of_pace(study), *answer_of_learning(study)]


def answer_of_pace(study: Study) -> list[str]:
    """Return what is known before the learning: how many machines are worth it, and what limits them."""
    return [_headline(study) + _reservation(study), *_paces(study)]


def answer_of_learning(study: Study) -> list[str]:
    """Return the rest: what learning makes of it, and how far the simulation can be believed."""
    return [*_learning(study), *_calibration(study)]


def _headline(study: Study) -> str:
    cluster = study.cluster
    found = [one for arm in _arms(study.paces) if (one := worth(study, arm)) is not None]
    link = f"on a link of {cluster.bandwidth:g} Gbit/s and {cluster.latency:g} ms"
    traffic = f"a gradient of {scaled(cluster.wire_bytes, 'B')}, {step_time(cluster.step_seconds or 0)} a step"
    if not found:
        return f"For {cluster.network} ({traffic}) {link}, no number of machines is worth it."
    best = max(found, key=lambda pace: pace.images_per_second)
    return (
        f"For {cluster.network} ({traffic}) {link}, {_machines(best.workers)} are worth it, with {best.arm}:"
        f" {_times(speed_up(study, best))} one machine, {percent(efficiency(study, best), 0)} of what they would do"
        f" alone. (Worth it: each does at least {percent(WORTH, 0)} of what one machine does alone.)"
    )


def _reservation(study: Study) -> str:
    if study.calibration is None or study.calibration.error <= DOUBTFUL:
        return ""
    error = percent(study.calibration.error, 0)
    return f" The simulation was off by up to {error} for real workers of this machine (below)."


def _paces(study: Study) -> list[str]:
    """For each exchange: up to how many it is worth it, and what limits it beyond."""
    found = []
    for arm in _arms(study.paces):
        paces = sorted((pace for pace in study.paces if pace.arm == arm), key=lambda pace: pace.workers)
        best, most = worth(study, arm), paces[-1]
        upto = "never worth it"
        if best:
            upto = f"worth it up to {_machines(best.workers)} ({_times(speed_up(study, best))} one)"
        beyond = next((pace for pace in paces if best is None or pace.workers > best.workers), None)
        if beyond is None:
            found.append(f"{arm}: {upto}, the most that were simulated.")
            continue
        found.append(
            f"{arm}: {upto}. With {beyond.workers:,} most is lost to {limit_of(study.cluster, beyond)}."
            f" {_machines(most.workers)}: {_times(speed_up(study, most))} one."
        )
    return found


def _learning(study: Study) -> list[str]:
    """When the target was met: by one machine, by whoever was the first, and by all with the most workers."""
    alone = next((run for run in study.learnt if run.workers == 1), None)
    met = [(run.reached.seconds, run) for run in study.learnt if run.reached]
    target = percent(study.settings.target, 0)
    found = []
    if alone and alone.reached:
        found.append(f"Learning: one machine recognises {target} after {duration(alone.reached.seconds)}.")
    if met:
        seconds, best = min(met, key=lambda one: one[0])
        factor = f", {_times(alone.reached.seconds / seconds)} as soon" if alone and alone.reached else ""
        found.append(
            f"Soonest to {target}: {best.arm} with {_machines(best.workers)}, after {duration(seconds)}{factor}."
        )
    most = max((run.workers for run in study.learnt), default=1)
    return found + [_one_run(run, target) for run in study.learnt if run.workers == most > 1]


def _one_run(run: Learnt, target: str) -> str:
    who = f"{_machines(run.workers)}, {run.arm}"
    if not run.reached:
        return f"{who}: {target} is not met within the epochs at any of the rates; {percent(run.best)} at best."
    when = f"after {duration(run.reached.seconds)} and {run.reached.images:,} images"
    return f"{who}: {target} {when}, at a rate of {run.rate:g}."


def _calibration(study: Study) -> list[str]:
    if study.calibration is None:
        return ["Not calibrated: --calibrate 1 2 4 compares the simulation with real workers on this machine."]
    return [_compared(compared) for compared in study.calibration.exchanges]


def _compared(compared: Compared) -> str:
    told = ", ".join(
        f"{row.foretold:,.1f} foretold and {row.measured:,.1f} measured with {row.workers:,}" for row in compared.rows
    )
    return (
        f"Calibration on this machine, {compared.arm}, {compared.cluster.network}, images a second: {told}; the largest"
        f" error with several workers is {percent(compared.error)}."
    )


def _costs(cluster: Cluster, workers: int) -> dict[str, float]:
    """What a synchronous step takes beyond its computation, in seconds, by reason."""
    machines = Machines(cluster, workers)
    steps = [machines.steps() for _ in range(20)]
    mean = float(sum(one.mean() for one in steps)) / len(steps)
    slowest = float(sum(one.max() for one in steps)) / len(steps)
    whole = in_step_seconds(cluster, workers, slowest)
    at_once, endless = replace(cluster, latency=0.0), replace(cluster, bandwidth=FASTEST)
    return {
        "waiting for the slowest worker": slowest - mean,
        "the latency of the many messages of an all-reduce": whole - in_step_seconds(at_once, workers, slowest),
        "the bandwidth of the link": whole - in_step_seconds(endless, workers, slowest),
    }


def _arms(paces: Iterable[Throughput]) -> Sequence[Arm]:
    return list(dict.fromkeys(pace.arm for pace in paces))


def _machines(count: int) -> str:
    return "one machine" if count == 1 else f"{count:,} machines"


def _times(factor: float) -> str:
    return f"{factor:,.3g} times" if factor < 1000 else f"{factor:,.0f} times"
