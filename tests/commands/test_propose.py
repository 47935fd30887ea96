"""`googlenet propose` over a small data set: JSON lines, table, report, pictures, cache, and what fails."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from page_checks import check_page
from PIL import Image

from googlenet.__main__ import main
from googlenet.detection.proposals.sources import SelectiveSearchSource
from googlenet.network.zoo import specification, with_multibox
from googlenet.weights.checkpoint import Checkpoint, save
from googlenet.weights.creation import create

FAST = "selective-search:single,width=80"
LARGE = "selective-search:single,superpixels=2,width=80"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A VOC folder of coloured rectangles on noise, each annotated; one picture is broken and in a list of its own."""
    folder = tmp_path_factory.mktemp("world") / "voc"
    random = np.random.default_rng(0)
    for place in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / place).mkdir(parents=True)
    for name in ("a", "b", "broken"):
        pixels = random.integers(90, 110, (60, 80, 3), np.uint8)
        pixels[10:40, 20:60] = random.integers(0, 256, 3)
        Image.fromarray(pixels).save(folder / "JPEGImages" / f"{name}.png")
        box = "<xmin>21</xmin><ymin>11</ymin><xmax>60</xmax><ymax>40</ymax>"
        text = f"<annotation><object><name>thing</name><bndbox>{box}</bndbox></object></annotation>"
        (folder / "Annotations" / f"{name}.xml").write_text(text)
    (folder / "JPEGImages" / "broken.png").write_bytes(b"no picture")
    (folder / "ImageSets/Main/good.txt").write_text("b\na\n")
    return folder


def propose(capsys, *arguments):
    status = main(["propose", *map(str, arguments)])
    return status, *capsys.readouterr()


def test_a_line_of_json_for_each_image(data, capsys):
    pictures = data / "JPEGImages"
    status, out, err = propose(capsys, pictures / "a.png", pictures / "broken.png", "--source", FAST, "--json")
    first, second = map(json.loads, out.splitlines())
    assert status == 1
    assert "1 of 2 images could not be read" in err
    assert first["file"] == str(pictures / "a.png")
    assert first["image"] == [80, 60]
    assert [0, 0, 80, 60] in [one["box"] for one in first["proposals"]]
    assert {one["source"] for one in first["proposals"]} == {FAST}
    assert [one["score"] for one in first["proposals"]] == sorted(
        (o["score"] for o in first["proposals"]), reverse=True
    )
    assert set(second) == {"file", "error"}


def test_a_union_with_its_report_and_pictures(data, tmp_path, capsys):
    arguments = ["--truth", data, "--split", "good", "--source", FAST, "--source", LARGE, "--cache", tmp_path / "cache"]
    arguments += ["--report", tmp_path / "report", "--draw", tmp_path / "drawn"]
    status, out, _ = propose(capsys, *arguments)
    assert status == 0
    rows = [[cell.strip() for cell in line.split("\t")] for line in out.splitlines() if "\t" in line]
    assert [row[0] for row in rows] == ["sources", f"1: {FAST}", f"2: {LARGE}", "1 + 2"]
    assert [row[3] for row in rows[1:]] == ["100.0 %"] * 3  # rectangles of one colour are found
    behind = json.loads((tmp_path / "report" / "coverage.json").read_text())
    assert (behind["images"], behind["objects"]) == (2, 2)
    assert [arm["recall"] for arm in behind["arms"]] == [1, 1, 1]
    page = (tmp_path / "report" / "report.html").read_text()
    assert "93 %, with about 60 % of the boxes" in page
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["1-b.png", "2-a.png"]
    with Image.open(tmp_path / "drawn" / "1-b.png") as drawn:
        colours = {colour for _, colour in drawn.convert("RGB").getcolors(1 << 24)}
    assert {(0, 114, 178), (213, 94, 0), (255, 255, 255)} <= colours
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.boxes")}
    assert len(kept) == 4
    again = propose(capsys, *arguments)
    assert again[:2] == (0, out)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.boxes")} == kept


def test_a_report_that_cannot_be_written_costs_no_figure(data, tmp_path, capsys, full_disk):
    with full_disk(100):
        status, out, err = propose(
            capsys, "--truth", data, "--split", "good", "--source", FAST, "--report", tmp_path / "report"
        )
    assert status == 1
    assert "images 2, objects 2, left out 0" in out
    assert re.fullmatch(r"googlenet: .*: cannot be written \(File too large\)\n", err)


def test_the_page_is_one_that_everybody_can_read(browser, data, tmp_path, capsys):
    assert propose(capsys, "--truth", data, "--split", "good", "--source", FAST, "--report", tmp_path)[0] == 0
    check_page(browser, tmp_path / "report.html")


def test_some_of_the_annotated_pictures(data, capsys):
    status, out, _ = propose(capsys, data / "JPEGImages" / "a.png", "--truth", data, "--source", FAST)
    assert status == 0
    assert "images 1, objects 1, left out 0" in out
    status, _, err = propose(capsys, data / "Annotations" / "a.xml", "--truth", data, "--source", FAST)
    assert (status, err) == (2, f"googlenet: {data}/Annotations/a.xml: no annotated picture is called so; "
                             "leave it out, or give other annotations\n")  # fmt: skip


def test_nothing_is_drawn_or_kept_among_the_images(data, capsys):
    pictures = data / "JPEGImages"
    before = sorted(pictures.iterdir())
    told = {"--draw": "the images themselves lie there; draw into another folder",
            "--cache": "holds a.png, no proposals; give a new or empty folder"}  # fmt: skip
    for option, complaint in told.items():
        for named in ([pictures], ["--truth", data]):
            status, out, err = propose(capsys, *named, "--source", FAST, option, pictures)
            assert (status, out, err) == (2, "", f"googlenet: {pictures}: {complaint}\n")
    assert sorted(pictures.iterdir()) == before


def test_pictures_of_any_kind_shape_and_name(tmp_path, capsys):
    random = np.random.default_rng(0)

    def picture(width, height):
        return Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8))

    turned = Image.Exif()
    turned[0x0112] = 6
    one = picture(24, 20)
    for name, made, more in (
        ("point.png", picture(1, 1), {}),
        ("line.png", picture(1, 300), {}),
        ("row.png", picture(300, 1), {}),
        ("grey.png", picture(24, 20).convert("L"), {}),
        ("clear.png", picture(24, 20).convert("RGBA"), {}),
        ("print.jpg", picture(24, 20).convert("CMYK"), {}),
        ("moving.gif", picture(24, 20), {"save_all": True, "append_images": [picture(24, 20)]}),
        ("turned.jpg", picture(24, 20), {"exif": turned}),
        ("one.png", one, {}),
        ("the same.png", one, {}),
        ("a\nb \u65e5\u672c.png", picture(24, 20), {}),
        ("x" * 240 + ".png", picture(24, 20), {}),
    ):
        made.save(tmp_path / name, **more)
    status, out, err = propose(capsys, tmp_path, "--source", FAST, "--json", "--draw", tmp_path / "drawn")
    found = {Path(line["file"]).name: line for line in map(json.loads, out.splitlines())}
    assert (status, len(found), len(list((tmp_path / "drawn").iterdir()))) == (0, 12, 12), err
    assert found["turned.jpg"]["image"] == [20, 24]
    assert found["one.png"]["proposals"] == found["the same.png"]["proposals"]
    for line in found.values():
        boxes = np.array([one["box"] for one in line["proposals"]])
        assert len(boxes) > 0
        assert (boxes.min(), *boxes[:, 2:].max(axis=0)) == (0, *line["image"])


@pytest.mark.parametrize(("kept", "told"), [(True, "interrupted; go on with: googlenet.*"), (False, "interrupted")])
def test_ctrl_c_says_how_to_go_on_where_something_was_kept(data, tmp_path, capsys, monkeypatch, kept, told):
    def interrupt(self, image):
        raise KeyboardInterrupt

    monkeypatch.setattr(SelectiveSearchSource, "propose", interrupt)
    cache = ["--cache", tmp_path / "cache"] if kept else []
    status, out, err = propose(capsys, data / "JPEGImages" / "a.png", *cache)
    assert (status, out) == (130, "")
    assert re.fullmatch(f"googlenet: {told}\n", err)


def test_a_second_ctrl_c_ends_what_still_runs(data):
    program = """
import sys, time
from googlenet.__main__ import main
from googlenet.detection.proposals import sources
def search(self, image):
    print("at work", file=sys.stderr, flush=True)
    time.sleep(60)
sources.SelectiveSearchSource.propose = search
sys.exit(main())
"""
    command = [sys.executable, "-c", program, "propose", str(data / "JPEGImages" / "a.png")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        told = []
        for _ in range(2):
            told.append(process.stderr.readline())
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
        told.append(process.stderr.read())
    assert told == ["at work\n", "googlenet: interrupted\n", ""]
    assert process.returncode == -signal.SIGINT


def test_a_device_that_is_not_there_is_told_once(data, tmp_path, capsys):
    made = with_multibox(specification("googlenet-tiny", width=0.25), [(0.25, 0.25, 0.75, 0.75)])
    path = tmp_path / "boxes.safetensors"
    save(path, Checkpoint(made, (), create(made).state_dict()))
    status, out, err = propose(capsys, data / "JPEGImages", "--source", f"multibox:{path}", "--device", "cuda:77")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "cuda" in err


@pytest.mark.parametrize(
    ("option", "told"), [("--cache", r"\.boxes: cannot be written \(File too large\); go on with: googlenet.*"),
                         ("--draw", r"1-a\.png: cannot be written \(File too large\)")]
)  # fmt: skip
def test_a_full_disk_ends_the_work(data, tmp_path, capsys, full_disk, option, told):
    arguments = [data / "JPEGImages" / "a.png", "--source", FAST, option, tmp_path / "folder"]
    with full_disk(300):
        status, _, err = propose(capsys, *arguments)
    assert status == 1
    assert re.fullmatch(rf"googlenet: .*{told}\n", err)
    assert propose(capsys, *arguments)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--report", "x", "a.jpg"], "--report and --split are about annotated objects; give --truth DATA as well"),
        (["a.jpg", "--source", "magic"], "--source magic: no such source"),
        (["nowhere.jpg"], "nowhere.jpg: no such file or folder"),
        ([], "no image was named"),
        (["--truth", "nowhere"], "nowhere: no such file or folder"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(arguments, complaint, capsys):
    status, out, err = propose(capsys, *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert complaint in err
