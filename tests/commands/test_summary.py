import json
import sys

import pytest

from googlenet.__main__ import main
from googlenet.network.zoo import NETWORKS, specification


def summary(capsys, *arguments):
    assert main(["summary", *arguments]) == 0
    return capsys.readouterr().out


def test_json_has_the_fixed_shape(capsys):
    found = json.loads(summary(capsys, "googlenet", "--json"))
    assert list(found) == [
        "network",
        "parameters",
        "parameters_with_auxiliary",
        "multiply_adds",
        "multiply_adds_with_auxiliary",
        "activation_bytes",
        "training_activation_bytes",
        "rows",
    ]
    assert (found["parameters"], found["multiply_adds"], found["activation_bytes"]) == (6998552, 1582671872, 27342336)
    (row,) = (row for row in found["rows"] if row["name"] == "inception_3a")
    branches = row.pop("branches")
    assert row == {
        "name": "inception_3a",
        "output": [256, 28, 28],
        "parameters": 163696,
        "multiply_adds": 128049152,
        "activation_bytes": 2558976,
        "paper_parameters": 159 * 1024,
        "paper_multiply_adds": 128000000,
    }
    assert [branch["name"] for branch in branches] == [
        "1x1",
        "3x3_reduce",
        "3x3",
        "5x5_reduce",
        "5x5",
        "pool",
        "pool_proj",
    ]


def test_the_paper_stands_beside_ours_and_why_they_differ(capsys):
    page = summary(capsys)
    row = next(line for line in page.splitlines() if line.startswith("inception_4e"))
    cells = [cell.strip() for cell in row.split("\t")]
    assert cells == [
        "inception_4e",
        "",
        "832x14x14",
        "2",
        "256",
        "160",
        "320",
        "32",
        "128",
        "128",
        "868,352",
        "169,996,288",
        "1,869,056",
        "840K",
        "170M",
    ]
    assert "conv1: 9.2K, 118.0M here, 2.7K, 34M in the paper; the paper's figures are those of a separable stem" in page
    assert "inception_4a: 367.4K, 73.6M here, 364K, 73M in the paper; the paper counted the network that Google" in page
    assert "inception_3a:" not in page
    assert "its K is 1024" in page


def test_the_separable_stem_agrees_with_the_paper(capsys):
    assert "  conv1:" not in summary(capsys, "googlenet-separable")


def test_the_published_networks_operations_agree_but_for_its_dense_stem(capsys):
    page = summary(capsys, "googlenet-google")
    assert "conv1: 9.2K, 118.0M here" in page
    assert "the paper counted the network" not in page


def test_a_network_that_is_not_the_papers_is_not_compared(capsys):
    assert "Beside the paper" not in summary(capsys, "googlenet", "--width", "0.5")


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_of_the_zoo(name, capsys):
    assert f"{name}, input" in summary(capsys, name, "--batch", "4")


def test_the_zoo_is_listed(capsys):
    page = summary(capsys, "list")
    assert all(name in page for name in NETWORKS)


def test_a_specification_from_a_file(capsys, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(specification("googlenet-tiny").to_json())
    assert summary(capsys, str(path)) == summary(capsys, "googlenet-tiny")


def test_stages_are_shown_with_what_they_need(capsys, monkeypatch):
    monkeypatch.setenv("GOOGLENET_FORMS", "stage-costs=multiply-adds")
    plain = json.loads(summary(capsys, "googlenet", "--json"))
    found = json.loads(summary(capsys, "googlenet", "--stages", "4", "--batch", "8", "--json"))
    staged = found.pop("stages")
    assert found == plain
    assert staged["balanced_by"] == "multiply-adds, as GOOGLENET_FORMS says"
    assert sum(stage["cost"] for stage in staged["stages"]) == plain["multiply_adds_with_auxiliary"]
    assert sum(stage["parameters"] for stage in staged["stages"]) == plain["parameters_with_auxiliary"]
    assert [one["parts"] for one in staged["schedules"]] == [1, 4, 8]
    assert [one["images"] for one in staged["schedules"]] == [8, 2, 1]
    assert [one["bubble"] for one in staged["schedules"]] == [3 / 4, 3 / 7, 3 / 11]
    assert all(len(one["memory_bytes"]) == 4 for one in staged["schedules"])
    page = summary(capsys, "googlenet", "--stages", "4", "--batch", "8")
    assert "In 4 stages, balanced by multiply-adds, as GOOGLENET_FORMS says:" in page
    assert f"{staged['schedules'][0]['memory_bytes'][0]:,}" in page


def test_stages_without_torch_say_what_they_are_balanced_by(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "googlenet.training.execution", None)
    page = summary(capsys, "googlenet-tiny", "--stages", "2")
    assert "In 2 stages, balanced by multiply-adds, as torch cannot be imported:" in page


def test_what_train_would_refuse_is_said_beside_the_table(capsys, monkeypatch):
    monkeypatch.setenv("GOOGLENET_FORMS", "stage-costs=multiply-adds")
    assert main(["summary", "googlenet-bn", "--stages", "2"]) == 0
    out, err = capsys.readouterr()
    assert "In 2 stages" in out
    assert err.startswith("googlenet train would refuse it: stages 2: googlenet-bn normalises over batches")
    assert main(["summary", "googlenet-bn", "--stages", "1"]) == 0
    assert capsys.readouterr().err == ""


def test_more_stages_than_rows_are_refused(capsys):
    assert main(["summary", "googlenet-tiny", "--stages", "40"]) == 2
    assert "give 1 to" in capsys.readouterr().err
