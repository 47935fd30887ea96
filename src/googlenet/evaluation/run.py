"""`evaluate`: a whole evaluation, from weights and labelled images to a table, that goes on where it was ended."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from googlenet import machine
from googlenet.data.identity import Identity, identity
from googlenet.data.sources import Source, name_of
from googlenet.errors import BrokenOff, InputError
from googlenet.evaluation.combination import find_combination
from googlenet.evaluation.journal import Journal
from googlenet.evaluation.models import find_systems, load_models
from googlenet.evaluation.protocol import find_protocols
from googlenet.evaluation.questions import Questions, ask
from googlenet.evaluation.report import write_report
from googlenet.evaluation.results import Evaluation
from googlenet.evaluation.rows import plan_rows
from googlenet.evaluation.until_sure import Sure
from googlenet.evaluation.work import Work
from googlenet.processes import ranks

__all__ = ["evaluate"]

log = logging.getLogger("googlenet")

Weights = str | os.PathLike[str]

RECORDS = "records"
"""The folder in a report's that keeps what is done of it."""


def evaluate(
    weights: Weights | Sequence[Weights],
    data: Source,
    *,
    crops: Iterable[Any] = (1,),
    combination: Iterable[str] = ("mean",),
    classes_of_data: bool = False,
    until_sure: float | None = None,
    report: str | os.PathLike[str] | None = None,
    logits: str | os.PathLike[str] | None = None,
    logits_as: str = "float32",
    together: bool = True,
    device: str = "auto",
    precision: str = "float32",
    engine: str = "auto",
    calibrate: str | os.PathLike[str] | None = None,
) -> Evaluation | None:
    """Judge checkpoints and ensembles on labelled images: a row for each, and for all together, crops and combination.

    `crops` are protocols by name (1, 10, 144, "howard-90"), JSON files or `Protocol`s. With `classes_of_data` only the
    classes that the data have can be answered. With `until_sure` views are added until further ones cannot change the
    best class, nor which the first five are (0), or change them with at most such a probability. Without `together`
    there is no row for all weights together.

    `report` is a folder for a page and the figures behind it; an evaluation that was ended goes on from there (without
    one, from the user's cache folder) when it is called again. `logits` is a folder that keeps the logits of every
    view, as float32 or float16; what it holds already is not computed again. Raises `InputError` for whatever does not
    fit together, before the long work. In several processes of one launch (`googlenet.processes`) each does its share,
    and the first alone returns the whole; the others return None.
    """
    given = [weights] if isinstance(weights, str | os.PathLike) else list(weights)
    protocols = find_protocols(crops)
    combinations = list(dict.fromkeys(find_combination(name) for name in combination))
    if not given or not protocols or not combinations:
        raise InputError("an evaluation needs weights, crops and a combination; give one or more of each")
    if until_sure is not None:
        _refuse_with_until_sure(until_sure, combinations, logits is not None)
    if logits is None and logits_as != "float32":
        raise InputError("--logits-as says how logits are kept; give --logits FOLDER too")
    members, systems = find_systems(given, together)
    computing = {"device": device, "precision": precision, "engine": engine, "calibrate": calibrate}
    models = load_models(members, **computing)
    questions = ask(data, models)
    only = questions.ids if classes_of_data else None
    plans = plan_rows(systems, protocols, combinations, models, questions.classes, only)
    work = Work(models, protocols, plans, questions, computing, _in_words(identity(questions.dataset)), until_sure)
    stored = work.open_logits(Path(logits), logits_as) if logits is not None else None
    _tell_lacking(questions, name_of(data))
    plan = work.plan(logits_as if logits else "")
    folder = Path(report) / RECORDS if report is not None else _passing_folder(plan)
    journal = Journal(folder, plan, len(questions.dataset), work.kind)
    try:
        work.do(journal, stored)
        if ranks().rank:
            return None
        found = work.evaluation(journal, name_of(data))
    finally:
        journal.close()
    _tell_broken(found)
    if report is None:
        shutil.rmtree(folder, ignore_errors=True)
        return found
    try:
        write_report(found, Path(report))
    except InputError as error:
        raise BrokenOff(str(error)) from error
    return found


def _refuse_with_until_sure(risk: float, combinations: Sequence[str], logits: bool) -> None:
    Sure(risk)
    if combinations != ["mean"]:
        raise InputError(
            "--until-sure bounds what further views can add to a mean of probabilities; give --combination mean alone"
        )
    if logits:
        raise InputError("--until-sure leaves views out, --logits keeps those of all; give one of them")


def _in_words(data: Identity) -> str:
    return f"{data.images:,} images, SHA-256 {data.sha256[:16]}"


def _passing_folder(plan: dict[str, Any]) -> Path:
    """Where the records of an evaluation without a report are until its end."""
    name = hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16]
    return machine.cache_folder() / "evaluations" / name


def _tell_broken(found: Evaluation) -> None:
    """Warn of rows whose answers are no numbers."""
    for row in found.rows:
        broken = int((~np.isfinite(row.outcome.losses)).sum())
        if broken:
            log.warning("%s: %d of %d answers are not numbers; the weights are broken", row.name, broken, found.images)


def _tell_lacking(questions: Questions, source: str) -> None:
    if questions.lacking:
        count = sum(questions.lacking.values())
        names = ", ".join(f"{name} ({images})" for name, images in list(questions.lacking.items())[:5])
        more = f" and {len(questions.lacking) - 5} more" if len(questions.lacking) > 5 else ""
        log.warning("%s: %d images are left out, of classes that the weights lack: %s%s", source, count, names, more)
