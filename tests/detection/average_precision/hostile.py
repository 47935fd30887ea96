"""Predictions that nobody means well with, the same for the same seed: files of COCO, of VOC and of this package.

    python tests/detection/average_precision/hostile.py FOLDER

writes them, has each judged by `googlenet detector evaluate` within 2 GB of memory, and prints a line of JSON for each:
its `name`, what it should be taken for (`meant`: null is nothing, "?" whatever it is, else figures), the `seconds` it
took, the exit `status`, what was `said` on stderr, and the figures that were `found`.
"""

import io
import json
import os
import random
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from googlenet.commands.detector_evaluate import Options, run
from googlenet.errors import InputError

SEED = 0
MEMORY = 2 << 30

TRUTH = {
    "images": [{"id": 5, "file_name": "a.jpg"}, {"id": 3, "file_name": "b.jpg"}],
    "categories": [{"id": 18, "name": "dog"}, {"id": 17, "name": "cat"}],
    "annotations": [
        {"id": 1, "image_id": 3, "category_id": 18, "bbox": [1, 2, 10, 20]},
        {"id": 2, "image_id": 5, "category_id": 17, "bbox": [5, 5, 20, 20]},
    ],
}
DOG = {"image_id": 3, "category_id": 18, "bbox": [1, 2, 10, 20], "score": 0.5}
"""The dog itself."""

Meant = dict | str | None
REFUSED, WHATEVER = None, "?"


def judged(detections: int = 1, mean: float = 0.5, left_out: int = 0) -> dict:
    """What is found where the dog is, and the cat is not."""
    return {"detections": detections, "mean": mean, "left_out": left_out}


def line(file: object = "b.jpg", **changes: object) -> dict:
    """The dog in a line of this package's."""
    return {"file": file, "detections": [{"id": "dog", "box": [1, 2, 11, 22], "score": 0.5} | changes]}


def coco() -> Iterator[tuple[bytes, Meant]]:
    """Lists of COCO's."""

    def of(*entries: object) -> bytes:
        return json.dumps(entries).encode()

    for value in (None, "0.5", True, [0.5], {}, 10**400, -(10**400)):
        yield of(DOG | {"score": value}), REFUSED
    for text in ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 10_000, "0x1", "1_0", "01", ".5", "1.", "+1"):
        yield of(DOG).replace(b"0.5", text.encode()), REFUSED
    for text in ("1e-400", "-7", "1e308", "-0.0", "5e-324", "9" * 300):
        yield of(DOG).replace(b"0.5", text.encode()), judged()
    for box in (
        [1, 2, 3],
        [1, 2, 3, 4, 5],
        "1234",
        {},
        None,
        [[1], 2, 3, 4],
        [True] * 4,
        [1, 2, -3, 4],
        [1, 2, 3, "4"],
    ):
        yield of(DOG | {"bbox": box}), REFUSED
    for box in ([1e10, 0, 1, 1], [0, 0, 1e300, 1], [0, 0, 10**400, 1], [-1e308, 0, 1e308, 1], [1e308, 0, 1e308, 1]):
        yield of(DOG | {"bbox": box}), REFUSED
    for box in ([900, 900, 5, 5], [-50, -50, 1, 1], [3, 3, 0, 0], [-1e4, -1e4, 2e4, 2e4]):
        yield of(DOG, DOG | {"bbox": box, "score": 0.25}), judged(2)
        yield of(DOG, DOG | {"bbox": box, "score": 0.75}), judged(2, 0.25)
    yield of(DOG, DOG), judged(2)  # the second is one too many, and comes later
    for value in (3.0, None, [3], {"id": 3}, True, 1e400):
        yield of(DOG | {"image_id": value}), REFUSED
        yield of(DOG | {"category_id": value}), REFUSED
    for value in ("3", "b.jpg", "b", "../b.jpg", "/nowhere/b.jpg"):
        yield of(DOG | {"image_id": value}), judged()
    for value in ("18", "dog"):
        yield of(DOG | {"category_id": value}), judged()
    for value in (-3, 10**30, 4, "", "c\0.jpg", "\ud800", "x" * 100_000, "c.jpg\ngooglenet: all is well", "\u202ebgpj"):
        yield of(DOG | {"image_id": value}), REFUSED  # no picture fits
        yield of(DOG, DOG | {"image_id": value}), judged(left_out=1)
        yield of(DOG, DOG | {"category_id": value}), judged(left_out=1)
    yield of(DOG, DOG | {"image_id": "b.jpg"}), REFUSED  # two names of one picture
    yield of(), judged(0, 0)
    yield of(DOG | {"segmentation": {"counts": "x" * 100_000, "size": [1, 1]}, "more": [[[]]] * 1000}), judged()
    yield of(DOG | {"more": "x" * (5 << 20)}), REFUSED
    yield of(DOG).replace(b'"score"', b'"score": 0.9, "score"'), REFUSED
    yield of(DOG).replace(b'"score": 0.5', b'"more": {"a": 1, "a": 2}, "score": 0.5'), REFUSED
    yield b"[" + of(DOG)[1:-1] + b",]", REFUSED
    yield b"[[" + of(DOG)[1:-1] + b"]]", REFUSED
    yield of(DOG) + b"\n", judged()
    yield of(DOG) + of(DOG), REFUSED
    yield of(DOG) + b"\0", REFUSED
    yield of(DOG).replace(b"0.5", b"0.5\0"), REFUSED
    yield of(DOG).replace(b", ", b",\r"), judged()
    yield b"[" + b"{}," * 1_000_000, REFUSED
    yield b"[" * 1_000_000, REFUSED
    yield b'[{"a":' * 500_000, REFUSED
    yield b'[{"a":' + b"[" * 3_000_000, REFUSED
    yield b'["' + b"\\" * 3_000_000, REFUSED
    yield b"[" + b" " * 3_000_000 + of(DOG)[1:], judged()
    yield of(*[DOG] * 110_000), WHATEVER  # more than are compared in a picture; COCO takes the best
    yield json.dumps([DOG, *(DOG | {"image_id": n} for n in range(10, 20_010))]).encode(), judged(left_out=20_000)
    yield json.dumps([DOG, *(DOG | {"category_id": n} for n in range(20, 20_020))]).encode(), judged(left_out=20_000)


def lines() -> Iterator[tuple[bytes, Meant]]:
    """Lines of this package's."""

    def of(*values: object, end: str = "\n") -> bytes:
        return "".join(json.dumps(value) + end for value in values).encode()

    yield of(line()), judged()
    yield of(line(), end="\r\n"), judged()
    yield of(line(), line("a.jpg"), end="\r"), REFUSED
    yield of(line())[:-1], judged()
    yield b"\n\n" + of(line()) + b"\n \n", judged()
    for value in ("nan", None, True, [1], 10**400):
        yield of(line(score=value)), REFUSED
        yield of(line(box=[1, 2, value, 22])), REFUSED
    for text in (b"NaN", b"Infinity", b"1e400", b"9" * 10_000):
        yield of(line()).replace(b"0.5", text), REFUSED
        yield of(line()).replace(b"22", text), REFUSED
    for box in ([11, 22, 1, 2], [1, 2, 11], [1, 2, 11, 22, 33], {"x0": 1}, "box", [1, 2, 1e300, 22]):
        yield of(line(box=box)), REFUSED
    for value in (None, 1.5, [], True):
        yield of(line(id=value)), REFUSED
        yield of(line(value)), REFUSED
    yield of(line(id=18)), judged()
    yield of(line(), line()), REFUSED
    yield of(line(), line("./b.jpg")), REFUSED
    yield of(line(), line("c.jpg"), {"file": "d.jpg", "error": "cannot be read"}), judged(left_out=1)
    yield of({"file": "b.jpg", "detections": {}}), REFUSED
    yield of({"file": "b.jpg", "detections": [[]] * 1000}), REFUSED
    yield of({"file": "b.jpg", "detections": [None]}), REFUSED
    yield of({"file": "b.jpg"}), REFUSED
    yield of({"file": "b.jpg", "image": [50, 40], "proposals": [{"box": [1, 2, 11, 22], "score": 1}]}), REFUSED
    yield of({"file": "b.jpg", "error": "cannot be read"}), judged(0, 0)
    yield of({"file": "b.jpg", "detections": []}), judged(0, 0)
    yield of({"detections": []}), REFUSED
    yield b'{"file": "b.jpg", "file": "a.jpg", "detections": []}\n', REFUSED
    yield of(line()) + b"{\n", REFUSED
    yield b"{" * 1_000_000, REFUSED
    yield b'{"file": "b.jpg", "detections": ' + b"[" * 1_000_000 + b"\n", REFUSED
    yield b'{"file": "' + b"x" * (9 << 20) + b'"}\n', REFUSED
    yield of(line(), *({"file": f"{n}.png", "detections": []} for n in range(20_000))), judged()
    yield of({"file": "b.jpg", "detections": line()["detections"] * 60_000}), WHATEVER


def voc() -> Iterator[tuple[bytes, Meant]]:
    """Text of VOC's, of dogs."""
    dog = b"b 0.5 2 3 11 22\n"
    yield dog, judged()
    yield dog.replace(b"\n", b"\r\n") + b"\r\n", judged()
    yield dog.replace(b"\n", b"\r") * 2, REFUSED
    yield dog.replace(b" ", b"\t"), judged()
    yield dog * 2, judged(2)
    yield dog[:-1], judged()
    yield b"", judged(0, 0)
    for text in (
        b"nan",
        b"inf",
        b"-inf",
        b"1e400",
        b"infinity",
        b"NaN",
        b"0x1",
        b"1_0",
        b"\xd9\xa1",
        b"1,5",
        b"--1",
        b".",
    ):
        yield dog.replace(b"0.5", text), REFUSED
        yield dog.replace(b"22", text), REFUSED
    for text in (b"1e-400", b"-3", b"+0.5", b"1e300", b"9" * 300):
        yield dog.replace(b"0.5", text), judged()
    for text in (
        b"b 0.5 2 3 11",
        b"b 0.5 2 3 11 22 33",
        b"b",
        b"b b b b b b",
        b"\0",
        b"b\x000.5 2 3 11 22",
        b"9" * 10_000,
    ):
        yield text + b"\n", REFUSED
    yield b"b 0.5 11 22 2 3\n", REFUSED
    yield b"b 0.5 2 3 1e10 22\n", REFUSED
    yield dog + b"c 0.5 2 3 11 22\n", judged(left_out=1)
    yield dog + b"\x00\x01 0.5 2 3 11 22\n", judged(left_out=1)
    yield b"c 0.5 2 3 11 22\n", REFUSED
    yield dog + b"x" * (9 << 20), REFUSED
    yield dog + b"x 0.5 2 3 11 22\n" * 1_000_000, judged(left_out=1_000_000)
    yield b"".join(b"b 0.%06d 2 3 11 22\n" % n for n in range(110_000)), WHATEVER


def torn(rng: random.Random) -> Iterator[tuple[str, bytes, Meant]]:
    """Good files in other encodings, cut off, and with bytes changed."""
    wholes = {
        "coco.json": json.dumps([DOG, DOG | {"image_id": 5, "score": 0.25}]),
        "lines.jsonl": json.dumps(line()) + "\n" + json.dumps(line("a.jpg", score=0.25)) + "\n",
        "dog.txt": "b 0.5 2 3 11 22\na 0.25 2 3 11 22\n",
    }
    for name, text in wholes.items():
        for coding in ("utf-16", "utf-16-le", "utf-32", "cp037"):
            yield name, text.encode(coding), REFUSED
        yield name, text.encode("utf-8-sig"), judged(2)
        for _ in range(6):
            yield name, text.encode()[: rng.randrange(1, len(text) - 1)], REFUSED if name == "coco.json" else WHATEVER
        for _ in range(6):
            changed = bytearray(text.encode())
            for _ in range(3):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
            yield name, bytes(changed), WHATEVER
    yield "coco.json", '[{"image_id": "\xe9"}]'.encode("latin-1"), REFUSED
    for content in (
        b"",
        b"\0" * 1_000_000,
        b"null",
        b"7",
        b'"a"',
        b"\xff\xd8\xff\xe0" + rng.randbytes(5000),
        b"\x1f\x8b",
    ):
        yield "predictions.json", content, REFUSED
    yield "dog.txt", b"\0" * 20_000_000, REFUSED
    yield "dog.txt", b"\n" * 2_000_000, judged(0, 0)


def files(folder: Path, rng: random.Random) -> Iterator[tuple[str, Path, Meant]]:
    """Write each and yield its name, where it lies, and what it should be taken for."""
    kinds = {"coco": ("found.json", coco()), "lines": ("found.jsonl", lines()), "voc": ("dog.txt", voc())}
    written = [(kind, name, *one) for kind, (name, ones) in kinds.items() for one in ones]
    written += [("torn", *one) for one in torn(rng)]
    for number, (kind, name, content, meant) in enumerate(written):
        place = folder / f"{kind}-{number}"
        place.mkdir()
        (place / name).write_bytes(content)
        yield place.name, place / name, meant
        (place / name).unlink()
    yield from folders(folder)


def folders(folder: Path) -> Iterator[tuple[str, Path, Meant]]:
    """Folders, links in a circle, pipes and devices, each as predictions and as a file in a folder of predictions."""
    (folder / "empty").mkdir()
    yield "empty", folder / "empty", REFUSED
    for name in ("circle", "pipe", "zero", "folder"):
        path = folder / name / "dog.txt"
        path.parent.mkdir()
        if name == "pipe":
            os.mkfifo(path)
        elif name == "folder":
            path.mkdir()
        else:
            path.symlink_to(path if name == "circle" else "/dev/zero")
        yield name, path, REFUSED
        yield f"{name} within", path.parent, REFUSED
    several = folder / "several"
    several.mkdir()
    (several / "comp4_det_test_dog.txt").write_text("b 0.5 2 3 11 22\n")
    (several / "comp4_det_test_unicorn.txt").write_text("b 0.5 2 3 11 22\n")
    (several / "readme.md").write_text("not a prediction")
    yield "several", several, judged(left_out=1)
    (several / "dog.txt").write_text("b 0.9 2 3 11 22\n")
    yield "a class twice", several, REFUSED


def judge(path: Path, truth: Path, protocol: str) -> tuple[int, list[str], dict | None]:
    """Run the command; return its exit status, what was said, and its figures."""
    out, talk = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(talk):
            status = run(Options((path, truth), protocol, json=True))  # type: ignore[arg-type]
    except InputError as error:
        return 2, [*talk.getvalue().splitlines(), str(error)], None
    found = json.loads(out.getvalue())
    left_out = sum(sum(names.values()) for names in found["left_out"].values())
    figures = judged(found["detections"], found["mean_average_precision"], left_out)
    return status, talk.getvalue().splitlines(), figures


def main(folder: Path) -> None:
    truth = folder / "truth.json"
    truth.write_text(json.dumps(TRUTH))
    protocols = ("voc2007", "voc2010", "ilsvrc", "coco")
    for number, (name, path, meant) in enumerate(files(folder, random.Random(SEED))):
        begun = time.process_time()
        status, said, found = judge(path, truth, protocols[number % len(protocols)])
        told = {"name": name, "meant": meant, "seconds": time.process_time() - begun, "status": status}
        print(json.dumps(told | {"said": said, "found": found}), flush=True)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    main(Path(sys.argv[1]))
