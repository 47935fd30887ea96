"""Two hundred annotation files that nobody means well with, the same for the same seed; each in a data set of its own.

    python tests/detection/datasets/hostile.py FOLDER

writes them, opens each and reads all of it within 2 GB of memory, and prints a line of JSON for each: its name, the
seconds that it took, and what was said of it (null where it can be read).
"""

import json
import os
import random
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from worlds import coco, ilsvrc, voc, voc_xml, yolo

SEED = 0
MEMORY = 2 << 30

DOG = voc_xml([("dog", (1, 2, 30, 40))])
NUMBERS = [
    "nan",
    "-nan",
    "inf",
    "-inf",
    "1e999",
    "-1e999",
    "1e30",
    "9" * 5000,
    "0x10",
    "1_0",
    "١",
    "",
    " ",
    "1,5",
    "--1",
]
NUMBERS += ["1e", "\u2212" + "1", "10 20", "None", "true", "[1]", "<a/>"]
ENTITIES = [
    '<!DOCTYPE a [<!ENTITY x "dog">]>',
    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    '<!DOCTYPE a [<!ENTITY x SYSTEM "http://127.0.0.1:9/">]>',
    '<!DOCTYPE a [<!ENTITY % x SYSTEM "file:///dev/zero"> %x;]>',
    '<!DOCTYPE a SYSTEM "file:///dev/zero">',
    '<!DOCTYPE a PUBLIC "-//A//B" "http://127.0.0.1:9/a.dtd">',
    "<!DOCTYPE a ["
    + '<!ENTITY a0 "dog">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    + "]>",
    f'<!DOCTYPE a [<!ENTITY x "{"d" * 100_000}">]>',
    '<!DOCTYPE a [<!ENTITY x "&y;"><!ENTITY y "&x;">]>',
    "<!DOCTYPE a [<!ELEMENT a ANY><!ATTLIST a b CDATA 'c'>]>",
]
JSONS = [
    "", "[", "{", "null", "0", "[]", '"a"', "NaN", '{"images": NaN}', "\0", "{}" * 9, "[" * 100_000, '{"a":' * 100_000,
    '{"images": [], "images": []}', "\ufeff{", '{"images": 1, "annotations": 1, "categories": 1}', "9" * 5000,
]  # fmt: skip
YAMLS = [
    "", "\0", "[", "- a\n- b\n", "a: &a [*a]\n", "train: &x images/train\nnames: *x\n",
    "train: !!python/name:os.system\n",
    "<<: *x\n", "train: images/train\nnames: " + "[" * 10_000, "train: images/train\nnames: {" + "a: " * 1000,
    "train: images/train\nnames: [" + "'" * 9999, "train: images/train\nnames:\n" + "  0: a\n" * 2,
    "train: images/train\nnames: &a [b, *a]\n", "? train\n: images/train\n", "train: |\n images/train\nnames: [a]\n",
    "train: ../../../../../../etc\nnames: [a]\n", "train: /dev/zero\nnames: [a]\n", "train: /dev\nnames: [a]\n",
    "train: images/train\nnc: " + "9" * 5000 + "\nnames: [a]\n",
    "train: images/train\nnames: [" + "a, " * 300_000 + "]\n",
    "train: \"\\0\"\nnames: [a]\n", "%YAML 9.9\n---\ntrain: a\n", "train: images/train\n---\nnames: [a]\n",
    "train: images/train\nnames: " + "{0: " * 500, "a" * 2_000_000, "\t: a\n", "train: images/train\nnames: 7\n",
]  # fmt: skip
LABELS = [
    "\0", "0", "0 nan 0 0 0", "0 inf 0 0 0", "0 1e999 0 1 1", "-1 0.5 0.5 1 1", "0 -9 0.5 1 1", "0 0.5 0.5 1e9 1",
    "9" * 5000 + " 0.5 0.5 1 1", "0 0.5 0.5 1 1 1 1 1", "0;0.5;0.5;1;1", "0 0,5 0,5 1 1", "x" * 1_000_000,
    "0 0.5 0.5 1 1\n" * 21_000, "٣ 0.5 0.5 1 1", "²  0.5 0.5 1 1",
]  # fmt: skip


def xml_texts(rng: random.Random) -> Iterator[bytes]:
    """Files of VOC's kind."""
    for declared in ENTITIES:
        yield (declared + DOG.replace("dog", "&x;")).encode()
    for value in NUMBERS:
        yield voc_xml([("dog", (1, 2, value, 40))]).encode()
        yield voc_xml([], size=(value or "a", 9)).encode()
    for coding in ("utf-16", "utf-16-le", "utf-32", "cp037", "utf-7"):
        yield DOG.encode(coding)
    for name in ("klingon", "utf-16", "x" * 10_000, "idna", "base64", "unicode_escape"):
        yield f'<?xml version="1.0" encoding="{name}"?>{DOG}'.encode()
    yield DOG.replace("dog", "d\xf6g").encode("latin-1")
    yield b"<annotation>" + b"<object/>" * 1_000_000 + b"</annotation>"
    yield voc_xml([("dog", (1, 2, 3, 4))] * 21_000)[:-9].encode()
    yield b"<annotation>" + b"<a>" * 1_000_000
    yield b"<annotation " + b" ".join(b"a%d='b'" % n for n in range(200_000)) + b"/>"
    yield DOG.replace("dog", "d" * 5_000_000).encode()
    yield DOG.replace("dog", "dog\ngooglenet: all is well").encode()
    yield b"<annotation><object><bndbox>" + b"<xmin>1</xmin>" * 100_000
    yield b"\xff\xd8\xff\xe0" + rng.randbytes(5000)
    yield b"\0" * 20_000_000
    for _ in range(12):
        yield DOG.encode()[: rng.randrange(1, len(DOG) - 20)]
    for _ in range(12):
        torn = bytearray(DOG.encode())
        for _ in range(5):
            torn[rng.randrange(len(torn))] = rng.randrange(256)
        yield bytes(torn)


def json_changes() -> Iterator[dict]:
    """What is put in the place of a table of COCO's."""
    box = {"id": 1, "image_id": 3, "category_id": 18, "bbox": [1, 2, 3, 4]}
    for value in (
        [1, 2, 3],
        [1, 2, 3, 1e300],
        [1, 2, 3, 10**400],
        [1, 2, 3, None],
        "1234",
        {},
        [[1], 2, 3, 4],
        [True] * 4,
    ):
        yield {"annotations": [box | {"bbox": value}]}
    for value in (10**400, -(10**30), 3.0, "3", None, [3], {"id": 3}, True):
        yield {"annotations": [box | {"image_id": value}]}
        yield {"annotations": [box | {"category_id": value}]}
    for name in ("a\0b", "", "x" * 5000, 7, None, ["a"]):
        yield {"images": [{"id": 3, "file_name": name}]}
    yield {"annotations": [box] * 21_000}
    yield {"categories": [{"id": n, "name": "a"} for n in range(3)] * 2}
    yield {"images": [{"id": 3, "file_name": "a.jpg"}] * 2}


def data_sets(folder: Path, rng: random.Random) -> Iterator[tuple[str, Path]]:
    """Write each file into a data set and yield its name and what is to be opened."""
    for n, content in enumerate(xml_texts(rng)):
        made = voc(folder / f"voc-{n}", {"1": [("dog", (1, 1, 9, 9))]})
        (made / "Annotations" / "1.xml").write_bytes(content)
        yield f"voc-{n}", made
    for n, change in enumerate(json_changes()):
        yield f"coco-{n}", coco(folder / f"coco-{n}" / "a.json", **change)
    for n, text in enumerate(JSONS):
        (folder / f"json-{n}.json").write_text(text)
        yield f"json-{n}", folder / f"json-{n}.json"
    whole = coco(folder / "whole" / "a.json").read_bytes()
    for n in range(10):
        (folder / f"cut-{n}.json").write_bytes(whole[: rng.randrange(1, len(whole) - 1)])
        yield f"cut-{n}", folder / f"cut-{n}.json"
    for n, text in enumerate(YAMLS):
        yield f"yaml-{n}", yolo(folder / f"yaml-{n}", text, [("a.txt", "0 0.5 0.5 1 1\n")])
    for n, text in enumerate(LABELS):
        yield f"labels-{n}", yolo(folder / f"labels-{n}", "train: images/train\nnames: [a]\n", [("a.txt", text)])
    yield from links_and_lists(folder)


def links_and_lists(folder: Path) -> Iterator[tuple[str, Path]]:
    """Links in a circle, pipes, devices, and lists that are none."""
    for n, text in enumerate(["\0", "1\n1\n", "../1\n", "1 2 3 4\n", "\ufeff", "x" * 1_000_000, "1\r2\r1\r"]):
        made = voc(folder / f"list-{n}", {"1": [("dog", (1, 1, 9, 9))]}, test=["1"]) / "ImageSets" / "Main" / "test.txt"
        made.write_text(text)
        yield f"list-{n}", made
    for name in ("circle", "pipe", "zero", "folder"):
        made = voc(folder / name, {"1": [("dog", (1, 1, 9, 9))]})
        path = made / "Annotations" / "1.xml"
        path.unlink()
        if name == "pipe":
            os.mkfifo(path)
        elif name == "folder":
            path.mkdir()
        else:
            path.symlink_to(path if name == "circle" else "/dev/zero")
        yield name, made
    for n, line in enumerate(["0", "x y", "1 2 3", "9" * 5000 + " n1", "1\0 n1", "² n1"]):
        made = ilsvrc(folder / f"blacklist-{n}", {"x": [("n1", (1, 1, 9, 9))]}, [(1, "n1")])
        (made / "devkit/data/ILSVRC2015_det_validation_blacklist.txt").write_text(line)
        yield f"blacklist-{n}", made / "ImageSets/DET/val.txt"


def said_of(path: Path) -> list[str]:
    """Open a data set and read all of its annotations; return what was said of it."""
    from googlenet.detection.datasets.opening import open_annotated
    from googlenet.errors import InputError
    from googlenet.weights.classes import Class

    said = []
    with suppress(InputError):  # that no file of a folder has an object: the classes are given, so that it is read
        open_annotated(path)
    try:
        found = open_annotated(
            path, classes=(Class("dog", "dog"), Class("cat", "cat"), Class("a", "a"), Class("n1", "n1"))
        )
    except InputError as error:
        return [str(error)]
    for index in range(len(found)):
        try:
            found.objects(index)
        except InputError as error:
            said.append(str(error))
    return said


def main(folder: Path) -> None:
    for name, path in data_sets(folder, random.Random(SEED)):
        begun = time.process_time()
        said = said_of(path)
        seconds = time.process_time() - begun
        print(json.dumps({"name": name, "seconds": seconds, "said": said}), flush=True)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    main(Path(sys.argv[1]))
