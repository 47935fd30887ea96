"""The options of every command are frozen here: a new one is a decision, not an accident."""

import importlib
from dataclasses import fields

import pytest

from googlenet.__main__ import COMMANDS

OPTIONS = {
    "summary": ["network", "classes", "width", "budget", "batch", "stages", "json"],
    "download": ["name", "output", "json"],
    "import": ["file", "output", "classes", "classifier", "json"],
    "predict": ["weights", "images", "null", "top", "batch_size", "computing", "json", "csv"],
    "embed": ["weights", "images", "output", "at", "batch_size", "null", "computing", "json"],
    "views": ["image", "crops", "weights", "network", "output", "json"],
    "evaluate": [
        *["weights_and_data", "crops", "combination", "until_sure", "report", "logits", "logits_as", "classes_of_data"],
        *["fit_temperature", "output", "save_ensemble", "processes", "computing", "json"],
    ],
    "localisation": ["predictions", "truths", "json"],
    "explain": ["weights", "image", "class_", "at", "output", "computing", "json"],
    "propose": ["images", "source", "cache", "truth", "split", "report", "draw", "null", "computing", "json"],
    "detect": ["detector", "images", "choice", "source", "fast", "draw", "null", "computing", "json", "csv"],
    "train": [
        *["data", "output", "validation", "pretrained", "recipe", "processes", "restarts", "wire", "stages"],
        *["exchange", "downpour", "json"],
    ],
    "preview": ["data", "output", "images", "sampling", "distortion", "size", "seed", "epoch", "json"],
    "detector train": [
        *["data", "output", "pretrained", "split", "validation", "validation_split", "source", "multibox"],
        *["refinement", "choice", "cache", "stages", "recipe", "json"],
    ],
    "detector ensemble": ["detectors", "output", "json"],
    "detector train-multibox": [
        *["data", "output", "pretrained", "split", "validation", "validation_split", "recipe", "json"],
    ],
    "data check": ["data", "validation", "json"],
    "detector evaluate": [
        *["predictions_and_truth", "protocol", "split", "report", "choice", "source", "cache", "computing", "json"],
    ],
    "simulate": ["data", "validation", "cluster", "settings", "calibrate", "report", "json"],
    "export": ["weights", "onnx", "hub_folder", "json"],
    "demo": ["output", "json"],
}


def test_the_list_of_commands_is_frozen():
    assert list(COMMANDS) == list(OPTIONS)


@pytest.mark.parametrize("command", OPTIONS)
def test_the_options_of_a_command_are_frozen(command):
    name = {"import": "import_"}.get(command, command.replace(" ", "_").replace("-", "_"))
    module = importlib.import_module(f"googlenet.commands.{name}")
    assert [field.name for field in fields(module.Options)] == OPTIONS[command]


@pytest.mark.parametrize("command", OPTIONS)
def test_every_command_takes_json(command):
    assert "json" in OPTIONS[command]
