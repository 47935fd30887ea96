"""Pages in a browser, with what is hard to show: long names, many columns, large numbers, nothing at all."""

from pathlib import Path

import numpy as np
from chromium import Chromium
from page_checks import check_page

from googlenet.reporting.html import ClassScore, Confusion, Figure, Illustration, Table, render, share
from googlenet.reporting.pictures import data_uri

PICTURE = data_uri(np.full((40, 30, 3), 90, np.uint8))
LONG = "koala, koala bear, kangaroo bear, native bear, Phascolarctos_cinereus_" + 9 * "unbroken"


def test_a_report_of_a_training_can_be_read_everywhere(browser: Chromium, tmp_path: Path) -> None:
    classes = 37
    names = [LONG, *(f"class {number}" for number in range(1, classes))]
    counts = [(number, (number * 7 + shift) % classes, 40_000) for number in range(classes) for shift in range(3)]
    page = render(
        "training.html",
        title=f"Training of {LONG}",
        subtitle=LONG,
        figures=[share("Top-1", 0.905, (0.85, 0.93), LONG), Figure("Time", "12 min 03 s"), Figure("Loss", "0.123")],
        charts=[Illustration(data_uri(np.full((540, 1560, 3), 200, np.uint8), 1560), "Losses over the steps")],
        classes=[ClassScore(name, place, 1000, 1234, (0.1, 0.9)) for place, name in enumerate(names)],
        confusion=Confusion(names, counts),
        mistakes=[Illustration(PICTURE, f"99.1 % {LONG}\ntruth: {LONG}", False, "The image a.png")] * 7,
        tables=[Table([f"column {place}" for place in range(9)], [["12,345.6 G"] * 9] * 3, "Many columns")],
        command=f"googlenet train {LONG}",
        recipe={"epochs": 20, LONG: LONG},
        versions={"torch": "2.13.0"},
        hardware={"machine": LONG},
    )
    path = tmp_path / "report.html"
    path.write_text(page)
    check_page(browser, path)
