"""The page of a comparison: in a browser, and the figures behind it."""

import json
from dataclasses import replace

import pytest
from page_checks import check_page
from studies import study

from googlenet.distributed.simulation.report import rows_of, to_json, write_report


def test_the_page_can_be_read_everywhere(browser, tmp_path):
    path = write_report(study(), tmp_path)
    check_page(browser, path)
    page = path.read_text()
    for heading in ("Speed", "Staleness", "Learning", "Calibration", "What the figures say"):
        assert f">{heading}</h2>" in page
    behind = json.loads((tmp_path / "simulation.json").read_text())
    assert behind.keys() == {*to_json(study()), "command"}


def test_a_comparison_of_paces_alone_has_a_page_too(tmp_path):
    found = study(calibrated=False)
    settings = replace(found.settings, exchanges=("synchronous",))
    kept = tuple(pace for pace in found.paces if pace.arm == "synchronous")
    page = write_report(replace(found, settings=settings, paces=kept, learnt=()), tmp_path).read_text()
    assert ">Speed</h2>" in page
    assert all(f">{heading}</h2>" not in page for heading in ("Staleness", "Learning", "Calibration"))


def test_one_of_a_kind_is_no_plural(tmp_path):
    found = study()
    few = replace(found.settings, rates=(0.03,), learning_batch=1)
    page = write_report(
        replace(found, settings=few, cluster=replace(found.cluster, batch_size=1)), tmp_path
    ).read_text()
    for words in ("best of 1 rate.", "mini-batches of 1 image takes", "1 image a worker", "1 image each"):
        assert words in page


def test_the_shape_of_the_json():
    found = to_json(study())
    json.dumps(found, allow_nan=False)
    first, *_ = found["throughput"]
    assert first["arm"] == "synchronous"
    assert first["speed_up"] == pytest.approx(1.0)
    assert first["computing"] + first["waiting"] + first["failing"] == pytest.approx(1.0)
    assert {(one["arm"], one["workers"]): one["reached"] is not None for one in found["learning"]}[
        "downpour", 16
    ] is False
    synchronous, downpour = found["calibration"]["exchanges"]
    assert synchronous["rows"][1]["error"] == pytest.approx(-0.05)
    assert (downpour["arm"], downpour["error"]) == ("downpour", pytest.approx(0.3))
    assert found["calibration"]["error"] == pytest.approx(0.3)
    assert found["cluster"]["wire_bytes"] == 4 * 13_378_280


def test_the_table_has_a_row_for_each_pace():
    rows = rows_of(study())
    assert len(rows) == 3 * 4
    assert rows[0][:2] == ("synchronous", 1)
    assert [row[8] is None for row in rows] == [True] * 4 + [False] * 8
