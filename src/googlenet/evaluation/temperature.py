"""A checkpoint whose probabilities mean what they say: its logits divided by a temperature (Guo et al. 2017).

The temperature is fitted on images that are not reported, and becomes part of the last layer's weights: what comes out
is a checkpoint like any other, with the same best classes.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from googlenet.data.identity import identity
from googlenet.data.sources import Source, name_of
from googlenet.data.truths import Truths
from googlenet.errors import InputError
from googlenet.evaluation.calibration import fit_temperature, refuse_too_few
from googlenet.evaluation.models import Judged, load_models
from googlenet.evaluation.pipeline import Seen, computed, read_views
from googlenet.evaluation.protocol import PROTOCOLS
from googlenet.evaluation.questions import Questions, ask
from googlenet.files import expect_writable, recorded_name
from googlenet.network.graph import Linear, expand
from googlenet.reporting.progress import Progress
from googlenet.weights.checkpoint import Checkpoint, read, save, today
from googlenet.weights.ensemble import members_of

__all__ = ["write_calibrated"]


def write_calibrated(
    weights: str | os.PathLike[str],
    split: Source,
    output: str | os.PathLike[str],
    *,
    reported: Source | None = None,
    **computing: Any,
) -> float:
    """Write `weights` with the temperature that suits the labelled images of `split`, and return it.

    `split` must not be what is `reported`. Raises `InputError` for that, for an ensemble, for too few images, and
    where `output` is `weights` itself or could not be written.
    """
    members = members_of(weights)
    if len(members) > 1:
        raise InputError(f"{os.fspath(weights)}: an ensemble has no temperature of its own; calibrate its members")
    if Path(output).resolve() == members[0].path.resolve():
        raise InputError(f"{os.fspath(output)}: a calibrated checkpoint is a new file; give another name")
    (judged,) = load_models(members, **computing)
    expect_writable(output)
    questions = ask(split, [judged])
    if reported is not None:
        other = ask(reported, [judged])
        if identity(questions.dataset).sha256 == identity(other.dataset).sha256:
            raise InputError(
                f"{name_of(split)}: a temperature is fitted on other images than those that are reported; give a split"
                " of its own"
            )
    refuse_too_few(len(questions.images))
    logits, truths = _logits(questions, judged)
    temperature = fit_temperature(logits, truths)
    save(output, _divided(read(members[0].path), temperature, name_of(split), len(truths)))
    return temperature


def _logits(questions: Questions, judged: Judged) -> tuple[np.ndarray, Truths]:
    """Return the logits of one crop of every image that can be read, [N, classes], and the truths among them."""
    images = questions.images.tolist()
    judged.model.predictor.expect(len(images))
    found, kept = [], []
    prepared = read_views(questions.dataset, images, [judged], [PROTOCOLS["1"]])
    with Progress("calibrating", total=len(images)) as progress:
        for index, seen in computed(prepared, [judged]):
            if isinstance(seen, Seen):
                found.append(seen.logits[0][0])
                kept.append(questions.truths[index])
            progress.update()
    logits = np.stack(found) if found else np.empty((0, len(questions.classes)), np.float32)
    return logits, Truths.of(kept)


def _divided(checkpoint: Checkpoint, temperature: float, split: str, images: int) -> Checkpoint:
    last = [node for node in expand(checkpoint.specification, auxiliary=False) if isinstance(node.operation, Linear)][
        -1
    ]
    names: Sequence[str] = (f"{last.key}.weight", f"{last.key}.bias")
    weights = dict(checkpoint.weights) | {name: checkpoint.weights[name] / temperature for name in names}
    note = {"temperature": temperature, "fitted_on": recorded_name(split), "images": images, "date": today()}
    return replace(checkpoint, weights=weights, provenance={**checkpoint.provenance, "calibration": note})
