"""The recipe is the one place where options are declared: their list is frozen here, and all else is made from it."""

import ast
import inspect
import itertools
import json
from dataclasses import fields, replace

import pytest

from googlenet.errors import InputError
from googlenet.records import decode
from googlenet.training.loop_recipe import differences, names_that_may, to_json
from googlenet.training.recipe import PRESETS, Recipe, complete

# fmt: off
OPTIONS = [
    "seed", "epochs", "batch_size", "accumulate", "rate", "schedule", "warm_up", "momentum", "nesterov", "weight_decay",
    "clip", "classifier_rate", "freeze", "averaging", "burn_in", "average_decay", "mirror", "distortion",
    "skip_bad_images", "workers", "device", "precision", "evaluate_every", "patience", "log_every", "save_minutes",
    "tensorboard", "preset", "network", "width", "budget", "initialization", "label_smoothing", "auxiliary_weight",
    "sampling", "balance",
]
# fmt: on


def help_of(name: str) -> str:
    """Return the text under a field, which the command line shows."""
    for kind in Recipe.__mro__[:-1]:
        (record,) = ast.parse(inspect.getsource(kind)).body
        for field, text in itertools.pairwise(record.body):  # type: ignore[attr-defined]
            if isinstance(field, ast.AnnAssign) and field.target.id == name:  # type: ignore[union-attr]
                assert isinstance(text, ast.Expr), name
                return str(ast.literal_eval(text.value))
    raise AssertionError(name)


def test_the_list_of_options_is_frozen():
    assert [field.name for field in fields(Recipe)] == OPTIONS
    assert names_that_may("change", Recipe) | names_that_may("grow", Recipe) == SAME_RUN


@pytest.mark.parametrize("name", OPTIONS)
def test_each_has_one_line_of_help_which_states_what_the_presets_say(name: str):
    text = help_of(name)
    assert text.endswith(".")
    assert "\n" not in text
    for preset, values in PRESETS.items():
        if name in values:
            assert f"{preset}: {values[name]}" in text


def test_what_the_presets_fill_in_is_what_has_no_value():
    without = {field.name for field in fields(Recipe) if field.default is None}
    may_stay = {"preset", "network", "width", "budget", "workers", "averaging"}  # the schedule says which averaging
    for values in PRESETS.values():
        assert set(values) == without - may_stay


def test_presets_fill_in_and_never_overrule():
    paper = complete(Recipe(epochs=3), fresh_classifiers=False)
    assert (paper.preset, paper.epochs, paper.schedule, paper.rate) == ("paper", 3, "paper", 0.01)
    tuned = complete(Recipe(rate=0.5), fresh_classifiers=True)
    assert (tuned.preset, tuned.rate, tuned.schedule) == ("fine-tune", 0.5, "cosine")
    assert (paper.averaging, tuned.averaging) == ("polyak", "exponential")
    assert complete(Recipe(preset="paper"), fresh_classifiers=True).schedule == "paper"
    assert complete(paper, fresh_classifiers=True) == paper


def test_the_paper_is_what_section_6_says():
    paper = complete(Recipe(), fresh_classifiers=False)
    assert (paper.momentum, paper.schedule, paper.averaging, paper.auxiliary_weight) == (0.9, "paper", "polyak", 0.3)
    assert (paper.sampling, paper.distortion, paper.mirror) == ("paper", "howard", True)


def test_json_keeps_everything():
    recipe = Recipe(epochs=7, freeze=("conv1", "conv2"), rate=0.1, schedule="one-cycle", tensorboard=True)
    text = json.dumps(to_json(recipe))
    assert set(json.loads(text)) == set(OPTIONS)  # defaults too, since another release may change them
    assert decode(Recipe, json.loads(text), "recipe.json") == recipe
    with pytest.raises(InputError, match=r"recipe\.json: unknown field 'epoch'"):
        decode(Recipe, {"epoch": 3}, "recipe.json")


# fmt: off
OTHER: dict[str, object] = {
    "preset": "fine-tune", "network": "googlenet-tiny", "width": 0.5, "budget": 1e9, "initialization": "gaussian",
    "seed": 1, "epochs": 61, "batch_size": 64, "accumulate": 2, "rate": 0.1, "schedule": "cosine", "warm_up": 1.0,
    "momentum": 0.8, "nesterov": True, "weight_decay": 0.0, "clip": 1.0, "label_smoothing": 0.1,
    "auxiliary_weight": 0.0, "classifier_rate": 2.0, "freeze": ("conv1",), "averaging": "none", "burn_in": 0.1,
    "average_decay": 0.9, "sampling": "none", "mirror": False, "distortion": "none", "balance": True,
    "skip_bad_images": True, "workers": 3, "device": "cpu", "precision": "float32", "evaluate_every": 2,
    "patience": 3, "log_every": 1, "save_minutes": 1.0, "tensorboard": True,
}
SAME_RUN = {
    "preset", "epochs", "skip_bad_images", "workers", "device", "precision", "evaluate_every", "log_every",
    "save_minutes", "tensorboard",
}
# fmt: on


@pytest.mark.parametrize("name", OPTIONS)
def test_what_a_run_goes_on_with_is_said_of_each_option(name: str):
    one = complete(Recipe(), fresh_classifiers=False)
    other = replace(one, **{name: OTHER[name]})  # type: ignore[arg-type]
    assert other != one
    found = differences(one, other)
    assert found == [] if name in SAME_RUN else [name] == [text.split()[0] for text in found]


def test_differences_are_named():
    one = complete(Recipe(epochs=7, freeze=("conv1",)), fresh_classifiers=False)
    assert differences(one, replace(one, epochs=6, freeze=())) == ["freeze conv1, now nothing"]
    assert differences(one, replace(one, epochs=8)) == differences(one, replace(one, epochs=6)) == []
    cosine = replace(one, schedule="cosine")
    (found,) = differences(cosine, replace(cosine, epochs=8))
    assert found == "epochs 7, now 8, on which every rate of the cosine schedule depends"


@pytest.mark.parametrize("name", ["rate", "width", "budget"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0])
def test_rates_and_sizes_are_finite_and_above_nothing(name, value):
    with pytest.raises(InputError, match=f"{name} {value}: give a number above 0"):
        Recipe(**{name: value})
