"""What is learnt is an object: a task of two heads goes through the same loop, and its parts are its whole."""

import json
from pathlib import Path

import pytest
import torch
from small_runs import recipe
from toy_task import TwoHeads, batch

from googlenet.training.averaging import Average
from googlenet.training.exchange import Alone
from googlenet.training.folder import RunFolder
from googlenet.training.log import RunLog
from googlenet.training.monitoring import Smoothed
from googlenet.training.optimizer import SGD
from googlenet.training.recipe import complete
from googlenet.training.task import Sum
from googlenet.training.trainer import Step, steps

INDICES = [1, 2, 3, 4, 6, 9, 14]


def trained(task: TwoHeads, count: int) -> list[Step]:
    chosen = complete(recipe(epochs=10, rate=0.05), fresh_classifiers=False)
    batches = iter([batch(INDICES, step) for step in range(count)])
    average = Average(torch.nn.Module(), "none")
    optimizer = SGD(list(task.parameters.items()))
    return list(
        steps(task, optimizer, average, batches, chosen, Alone(), start=0, steps_per_epoch=count, name=str)  # type: ignore[arg-type]
    )


def test_a_task_of_two_heads_learns_by_the_same_loop():
    done = trained(TwoHeads(), 60)
    assert done[0].figures.keys() == {"loss", "losses/kind", "losses/size"}
    assert done[-1].loss < done[0].loss / 3
    assert all(step.images == 7 for step in done)


def test_a_figure_is_the_mean_over_what_it_counts():
    # 4 of the 7 images have a size, so its mean is over 4 where the loss counts its half over 7
    figures = trained(TwoHeads(), 1)[0].figures
    assert figures["loss"] == pytest.approx(figures["losses/kind"] + 0.5 * figures["losses/size"] * 4 / 7)


@pytest.mark.parametrize("parts", [2, 3, 7, 50])
def test_parts_of_a_batch_leave_the_gradient_of_the_whole(parts: int):
    found = []
    for task in (TwoHeads(), TwoHeads(parts=parts)):
        figures = task.compute(batch(INDICES))
        gradients = [parameter.grad.clone() for parameter in task.parameters.values() if parameter.grad is not None]
        found.append((gradients, {name: (float(value.total), value.count) for name, value in figures.items()}))
    for one, other in zip(found[0][0], found[1][0], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)
    assert len(found[0][0]) == 6
    for name, (value, count) in found[0][1].items():
        assert found[1][1][name] == (pytest.approx(value), count)


def test_its_figures_are_logged_by_kind_and_shown(tmp_path: Path):
    task = TwoHeads()
    log, smoothed = RunLog(RunFolder(tmp_path), recipe(), 0, 0), Smoothed(classes=3)
    for step in trained(task, 2):
        log.take(step)
        smoothed.take(step)
    log.close()
    for line in (tmp_path / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        assert record["losses"].keys() == {"kind", "size"}
        assert record["loss"] > 0
    assert "kind" in smoothed.shown(1)["means of"]


def test_sums_add_and_have_a_mean():
    assert Sum(3.0, 2) + Sum(1.0, 3) == Sum(4.0, 5)
    assert Sum(4.0, 5).mean == 0.8
    assert Sum(0.0, 0).mean == 0.0
