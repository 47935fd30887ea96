"""What is said on the way: smoothed values named as such, the bottleneck, an alarm for dead heads and no others."""

from math import log

import pytest

from googlenet.training.monitoring import Alarm, Monitor, Pace, Smoothed
from googlenet.training.recipe import Recipe
from googlenet.training.trainer import Step

RECIPE = Recipe(rate=0.01, epochs=1)


def step(number: int, *, waited: float = 0.0, **losses: float) -> Step:
    figures = {f"{kind}/{head}": 0.5 for kind in ("top1", "top5") for head in losses}
    figures |= {"loss": 1.0, **{f"losses/{head}": loss for head, loss in losses.items()}}
    return Step(number, number / 10, 0.01, 32, figures, waited=waited, seconds=1.0)


def alarms(capsys: pytest.CaptureFixture[str], losses: list[float], classes: int = 1000, total: int = 1000) -> str:
    alarm = Alarm(classes, total, RECIPE)
    for number, loss in enumerate(losses):
        alarm.take(step(number, main=1.0, auxiliary_4d=loss))
    return capsys.readouterr().err


def test_a_head_that_guesses_is_named_with_what_cures_it(capsys: pytest.CaptureFixture[str]):
    said = alarms(capsys, [log(1000) + 0.01] * 400)
    assert said.count("warning:") == 1
    assert "auxiliary_4d has stayed at 6.918" in said
    assert "--rate 0.005" in said


def test_a_head_that_dies_later_is_named_too(capsys: pytest.CaptureFixture[str]):
    assert "auxiliary_4d" in alarms(capsys, [3.0] * 500 + [log(1000)] * 200)


def test_slow_starts_and_noise_are_no_alarm(capsys: pytest.CaptureFixture[str]):
    assert alarms(capsys, [6.9] * 150 + [6.5] * 300) == ""
    assert alarms(capsys, [6.0, 7.2] * 300) == ""
    assert alarms(capsys, [0.0] * 600, classes=1) == ""


def test_long_runs_are_given_longer(capsys: pytest.CaptureFixture[str]):
    assert alarms(capsys, [6.9] * 1900, total=40_000) == ""
    assert alarms(capsys, [6.9] * 2100, total=40_000) != ""


def test_the_line_counts_the_images_of_a_step_and_no_empty_places(capsys: pytest.CaptureFixture[str]):
    assert RECIPE.batch_size == 32
    with Monitor(RECIPE, 6, 5, 2, 0) as monitor:
        for number in (1, 2):
            monitor.take(step(number))
    assert "training: 12 images in" in capsys.readouterr().err


def test_smoothed_values_say_that_they_are():
    smoothed = Smoothed(classes=5)
    for number in range(40):
        smoothed.take(step(number, main=float(number), auxiliary_4a=1.0))
        shown = smoothed.shown(epochs=9)
        assert list(shown) == ["epoch", "means of", "top-1"]  # one line shows them all: no name may be left behind
        counted = {0: "1 step: loss", 1: "2 steps: loss", 18: "19 steps: loss"}.get(number, "")
        assert shown["means of"].startswith(counted)
    shown = smoothed.shown(epochs=9)
    assert shown == {
        "epoch": "3.9/9",
        "means of": "20 steps: loss main 29.500 auxiliary_4a 1.000",
        "top-1": "50.0 %",
    }
    assert "top-5" in Smoothed(classes=6).shown(9) or Smoothed(classes=6).shown(9) == {}


@pytest.mark.parametrize(
    ("waited", "who"),
    [
        (0.6, "decoding the bottleneck (30 %"),
        (0.22, "the network the bottleneck (11 %"),
        (0.02, "the network the bottleneck (1 %"),
    ],
)
def test_the_bottleneck_is_whoever_is_waited_for_and_the_rate_counts_everything(waited: float, who: str):
    now = 100.0
    pace = Pace(lambda: now)
    for number in range(10):
        now += 1
        pace.take(step(number, waited=waited, main=1.0))
    now += 10  # as long as the steps, evaluating and saving
    assert pace.told().startswith(f"16 images/s, {who}")
    pace.take(step(11, waited=0.0, main=1.0))
    now += 4
    told = pace.told()  # each epoch anew
    assert told.startswith("8 images/s, evaluation the bottleneck")
    assert told.endswith("(0 % of the time waiting for images, 75 % evaluating and saving)")


def test_what_comes_before_the_first_step_is_no_evaluation():
    now = 100.0
    pace = Pace(lambda: now)
    now += 60  # replicas start
    for number in range(10):
        now += 1
        pace.take(step(number, main=1.0))
    assert pace.told() == (
        "32 images/s, the network the bottleneck (0 % of the time waiting for images, 0 % evaluating and saving)"
    )
