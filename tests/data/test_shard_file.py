"""Shards behind URLs that several machines share: the same bytes, and no more fetched than is needed."""

import os
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
from object_store import ObjectStore

from googlenet.data import remote
from googlenet.data.blocks import BLOCK
from googlenet.data.folder import Folder
from googlenet.data.identity import identity
from googlenet.data.sampler import Sampler
from googlenet.data.shards import Shards
from googlenet.errors import InputError

pytest.importorskip("aiohttp", reason="fsspec reads http by aiohttp: pip install 'fsspec[http]'")

EACH, SHARDS, SIZE = 12, 3, 50_000


def picture(number: int, size: int = SIZE) -> bytes:
    return np.random.default_rng(number).bytes(size + 37 * number)


@pytest.fixture
def folder(tmp_path: Path, write_shard) -> Path:
    """Three shards of twelve images of 50 KB each."""
    for shard in range(SHARDS):
        numbers = range(EACH * shard, EACH * (shard + 1))
        members = [
            (f"{n:04}.{end}", picture(n) if end == "jpg" else b"01"[n % 2 :][:1])
            for n in numbers
            for end in ("jpg", "cls")
        ]
        write_shard(tmp_path / "store" / f"t-{shard}.tar", members)
    return tmp_path / "store"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that goes to one of two machines, each with a cache folder of its own."""

    def go(number: int, of: int = 2) -> Path:
        cache = tmp_path / f"machine-{number}"
        monkeypatch.setenv("GOOGLENET_CACHE", str(cache))
        monkeypatch.setenv("RANK", str(number))
        monkeypatch.setenv("WORLD_SIZE", str(of))
        monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
        return cache

    return go


def test_each_machine_fetches_the_headers_and_its_share(folder: Path, machine) -> None:
    whole = sum(file.stat().st_size for file in folder.iterdir())
    alone = Shards(f"{folder}/t-{{0..2}}.tar")
    with ObjectStore(folder) as store:
        for rank in range(2):
            machine(rank)
            before = store.sent
            shards = Shards(f"{store.url}/t-{{0..2}}.tar")
            assert identity(shards).sha256 == identity(alone).sha256
            assert store.sent - before < 0.06 * whole, "headers, and what lies in their blocks"
            taken = [
                int(draw)
                for planned in Sampler(shards.labels, 4, seed=0, rank=rank, world=2).batches(0, 0, 1)
                for draw in planned.draws
            ]
            assert len(taken) == EACH * SHARDS // 2
            for image in taken:
                assert shards.read(image) == alone.read(image) == picture(image)
            assert store.sent - before < 0.56 * whole, "half of the images, and the headers"
            requests = store.requests
            again = Shards(f"{store.url}/t-{{0..2}}.tar")
            assert [again.read(image) for image in taken] == [picture(image) for image in taken]
            assert store.requests - requests <= SHARDS, "one asks whether there are parts, and nothing is fetched twice"
        everything = [shards.read(image) for image in range(len(shards))]
        assert everything == [picture(image) for image in range(len(shards))]
        assert store.sent - before < 1.01 * whole, "in all no more than a copy"


def test_one_machine_copies_the_whole(folder: Path, machine) -> None:
    cache = machine(0, of=1)
    with ObjectStore(folder) as store:
        shards = Shards(f"{store.url}/t-{{0..2}}.tar")
        machine(0)
        shared = Shards(f"{store.url}/t-{{0..2}}.tar")
        assert store.requests == SHARDS, "what is whole already is taken as it is"
    assert len(list((cache / "shards").glob("*.tar"))) == SHARDS
    assert [shards.read(n) for n in range(36)] == [shared.read(n) for n in range(36)] == [picture(n) for n in range(36)]


def test_small_images_are_fetched_together(tmp_path: Path, machine, write_shard) -> None:
    members = [
        (f"{n:04}.{end}", picture(n, 900 - 37 * n) if end == "jpg" else b"1")
        for n in range(300)
        for end in ("jpg", "cls")
    ]
    write_shard(tmp_path / "store/t.tar", members)
    machine(0)
    with ObjectStore(tmp_path / "store") as store:
        shards = Shards(f"{store.url}/t.tar")
        assert store.requests < 40
        assert all(shards.read(n) == picture(n, 900 - 37 * n) for n in range(300))


def test_a_server_that_gives_no_parts_is_copied_from(folder: Path, machine) -> None:
    cache = machine(0)
    with ObjectStore(folder, gives_ranges=False) as store:
        shards = Shards(f"{store.url}/t-{{0..2}}.tar")
    assert len(list((cache / "shards").glob("*.tar"))) == SHARDS
    assert [shards.read(n) for n in (0, 20, 35)] == [picture(n) for n in (0, 20, 35)]


def test_what_is_damaged_in_the_copy_is_fetched_again(folder: Path, machine) -> None:
    cache = machine(0)
    with ObjectStore(folder) as store:
        shards = Shards(f"{store.url}/t-0.tar")
        assert shards.read(5) == picture(5)
        copy, sums = (next((cache / "shards").glob(f"*.{ending}")) for ending in ("part", "sums"))
        content = bytearray(copy.read_bytes())
        place = content.index(picture(5)[: 2 * BLOCK]) + 3 * BLOCK
        content[place] ^= 1
        copy.write_bytes(content)
        assert shards.read(5) == picture(5)
        copy.write_bytes(content[:place])  # torn
        assert shards.read(5) == picture(5)
        for file in (copy, sums):
            file.unlink()
        assert shards.read(5) == picture(5)


def test_several_at_once_get_the_same(folder: Path, machine) -> None:
    machine(0)
    with ObjectStore(folder) as store:
        shards = Shards(f"{store.url}/t-{{0..2}}.tar")
        wrong: list[int] = []

        def read(seed: int) -> None:
            for image in np.random.default_rng(seed).permutation(36):
                if shards.read(int(image)) != picture(int(image)):
                    wrong.append(int(image))

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_a_connection_that_fails_is_tried_again(folder: Path, machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_PAUSES", (0.0, 0.0))
    machine(0)
    with ObjectStore(folder) as store:
        shards = Shards(f"{store.url}/t-0.tar")
        store.failing = 2
        assert shards.read(3) == picture(3)
        store.failing = 3
        with pytest.raises(InputError, match=rf"{store.url}/t-0.tar: cannot be read \(503.*; check the URL"):
            shards.read(4)


def test_a_server_that_fails_has_not_said_that_there_is_no_list_of_classes(
    folder: Path, machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_PAUSES", (0.0, 0.0))
    machine(0)
    with ObjectStore(folder) as store:
        assert remote.fetch(f"{store.url}/no-classes.txt", optional=True) is None
        (folder / "classes.txt").write_text("a\nb\n")
        store.failing = 2
        file = remote.fetch(f"{store.url}/classes.txt", optional=True)
        assert file is not None
        assert file.read_text() == "a\nb\n"
        store.failing = 3
        with pytest.raises(InputError, match=rf"{store.url}/classes.txt: cannot be read \(503"):
            remote.fetch(f"{store.url}/classes.txt", optional=True)


def test_a_copy_for_which_there_is_no_room_is_one_line(folder: Path, machine) -> None:
    cache = machine(0)
    with ObjectStore(folder) as store:
        shards = Shards(f"{store.url}/t-0.tar")
        for file in (cache / "shards").iterdir():
            file.unlink()
        (cache / "shards").rmdir()
        (cache / "shards").touch()
        with pytest.raises(InputError, match=r"t-0.tar: cannot be kept in .*shards \(.*\); free some room"):
            shards.read(0)


@pytest.mark.parametrize("source", ["url", "compressed url", "compressed", "file", "folder"])
def test_data_sent_to_another_machine_are_read_there(
    folder: Path, machine, tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch, write_shard
) -> None:
    for variable in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(variable, raising=False)
    write_shard(folder / "c.tar.gz", [("0.jpg", picture(0)), ("0.cls", b"0"), ("1.jpg", picture(1)), ("1.cls", b"1")])
    for name in ("0", "1"):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "a.jpg").write_bytes(picture(int(name)))
    with ObjectStore(folder) as store:
        monkeypatch.setenv("GOOGLENET_CACHE", str(tmp_path / "here"))
        data = {
            "url": lambda: Shards(f"{store.url}/t-0.tar"),
            "compressed url": lambda: Shards(f"{store.url}/c.tar.gz"),
            "compressed": lambda: Shards(str(folder / "c.tar.gz")),
            "file": lambda: Shards(str(folder / "t-0.tar")),
            "folder": lambda: Folder(tmp_path / "images"),
        }[source]()
        sent = pickle.dumps(data)
        monkeypatch.setenv("GOOGLENET_CACHE", str(tmp_path / "there"))
        os.rename(tmp_path / "here", tmp_path / "gone")  # noqa: PTH104
        there = pickle.loads(sent)
        assert [there.read(n) for n in range(2)] == [picture(0), picture(1)]
        assert identity(there).sha256 == identity(data if source == "folder" else there).sha256
    parts = list((tmp_path / "there/shards").glob("*.part")) if (tmp_path / "there/shards").exists() else []
    assert len(parts) == (source == "url"), "as much as is needed there"


def test_other_data_on_the_other_machine_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("0", "1"):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "a.jpg").write_bytes(b"x")
    sent = pickle.dumps(Folder(tmp_path / "images"))
    (tmp_path / "images/0/b.jpg").write_bytes(b"x")
    monkeypatch.setenv("GOOGLENET_CACHE", str(tmp_path / "there"))
    os.rename(tmp_path / "cache", tmp_path / "gone")  # noqa: PTH104
    with pytest.raises(InputError, match="the data changed while processes were started, or are others there"):
        pickle.loads(sent)
