"""Shards: WebDataset's layout, local and behind a URL, plain and compressed, and what is wrong with some."""

import gzip
import os
import pickle
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import numpy as np
import pytest

from googlenet.data import remote
from googlenet.data.remote import expand, source_name
from googlenet.data.shards import Shards
from googlenet.data.sources import open_dataset
from googlenet.errors import InputError
from googlenet.images.decoding import decode
from googlenet.weights.classes import Class


def picture(number: int) -> bytes:
    """What stands for an image file: nothing here decodes one."""
    return f"picture {number}".encode() * (number + 1)


def samples(numbers: list[int], label=lambda number: number % 3) -> list[tuple[str, bytes]]:
    members = []
    for number in numbers:
        members += [(f"part/{number:06}.png", picture(number)), (f"part/{number:06}.cls", str(label(number)).encode())]
    return members


def check(shards: Shards, numbers: list[int]) -> None:
    assert len(shards) == len(numbers)
    assert shards.labels.tolist() == [number % 3 for number in numbers]
    assert shards.sizes().tolist() == [len(picture(number)) for number in numbers]
    for index in (len(numbers) - 1, 0, len(numbers) // 2):
        assert shards.read(index) == picture(numbers[index])
        assert f"part/{numbers[index]:06}.png" in shards.name(index)


@pytest.fixture
def folder(tmp_path, write_shard) -> Path:
    """Two plain shards, the same two compressed, and classes."""
    for ending in (".tar", ".tar.gz"):
        write_shard(tmp_path / "s" / f"t-0000{ending}", samples(list(range(5))))
        write_shard(tmp_path / "s" / f"t-0001{ending}", samples(list(range(5, 12))))
    (tmp_path / "s" / "classes.txt").write_text("cat\ndog\nn00000001 eel\n")
    return tmp_path / "s"


@pytest.mark.parametrize("pattern", ["t-{0000..0001}.tar", "t-*.tar", "t-000?.tar.gz", "t-{0000,0001}.tar.gz"])
@pytest.mark.parametrize("url", ["", "file://"])
def test_patterns_compression_and_urls(folder, pattern, url):
    for _ in range(2):  # from the headers, and from the index
        shards = Shards(f"{url}{folder}/{pattern}")
        check(shards, list(range(12)))
        check(pickle.loads(pickle.dumps(shards)), list(range(12)))
        assert shards.classes == (Class("cat", "cat"), Class("dog", "dog"), Class("n00000001", "eel"))


def test_a_remote_file_system(folder):
    memory = fsspec.filesystem("memory")
    for file in folder.iterdir():
        memory.pipe_file(f"/data/{file.name}", file.read_bytes())
    check(Shards("memory://data/t-{0000..0001}.tar.gz"), list(range(12)))
    check(Shards("memory://data/t-*.tar"), list(range(12)))
    memory.rm("/data/t-0001.tar")
    with pytest.raises(InputError, match=r"memory://data/t-0001.tar: cannot be read"):
        Shards("memory://data/t-{0000..0001}.tar")


def test_shards_behind_a_server(folder):
    """A server of files on this machine stands for an object store."""
    pytest.importorskip("aiohttp", reason="fsspec reads http by aiohttp: pip install 'fsspec[http]'")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{server.server_port}"
        try:
            shards = Shards(f"{place}/t-{{0000..0001}}.tar")
            check(shards, list(range(12)))
            assert shards.classes[2] == Class("n00000001", "eel")
            check(Shards(f"{place}/t-*.tar.gz"), list(range(12)))
            with pytest.raises(InputError, match=rf"{place}/t-0002.tar: cannot be read"):
                Shards(f"{place}/t-0002.tar")
        finally:
            server.shutdown()
    check(pickle.loads(pickle.dumps(shards)), list(range(12)))  # from the copies


def test_compressed_shards_are_unpacked_once_and_again_after_a_change(folder, tmp_path, write_shard, monkeypatch):
    Shards(f"{folder}/t-*.tar.gz")
    copies = sorted((tmp_path / "cache" / "shards").iterdir())
    assert len(copies) == 2
    monkeypatch.setattr(remote.gzip, "open", lambda file: pytest.fail("unpacked again"))
    check(Shards(f"{folder}/t-*.tar.gz"), list(range(12)))
    monkeypatch.undo()
    monkeypatch.setenv("GOOGLENET_CACHE", str(tmp_path / "cache"))
    write_shard(folder / "t-0001.tar.gz", samples([20, 21]))
    check(Shards(f"{folder}/t-*.tar.gz"), [0, 1, 2, 3, 4, 20, 21])
    assert len(list((tmp_path / "cache" / "shards").iterdir())) == 2


def test_a_changed_shard_is_indexed_anew(folder, write_shard):
    check(Shards(f"{folder}/t-0000.tar"), [0, 1, 2, 3, 4])
    write_shard(folder / "t-0000.tar", samples([8, 9]))
    check(Shards(f"{folder}/t-0000.tar"), [8, 9])


def test_a_shard_whose_time_was_restored_is_indexed_anew(folder, write_shard):
    file = folder / "t-0000.tar"
    before = file.stat()
    check(Shards(str(file)), [0, 1, 2, 3, 4])
    write_shard(file, samples([0, 1, 2, 3, 4], label=lambda number: 2 - number % 3))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    assert Shards(str(file)).labels.tolist() == [2, 1, 0, 2, 1]


def test_classes_are_matched_by_id(folder):
    wanted = (Class("n00000001", "eel"), Class("dog", "hound"), Class("cat", "cat"), Class("ox", "ox"))
    shards = Shards(f"{folder}/t-0000.tar", wanted)
    assert shards.classes == wanted
    assert shards.labels.tolist() == [2, 1, 0, 2, 1]
    with pytest.raises(InputError, match="class dog is not among the 2 classes expected"):
        Shards(f"{folder}/t-0000.tar", (wanted[0], wanted[2]))
    (folder / "classes.txt").unlink()
    assert Shards(f"{folder}/t-0000.tar", wanted).labels.tolist() == [0, 1, 2, 0, 1]  # numbers are indices then
    assert [c.id for c in Shards(f"{folder}/t-0000.tar").classes] == ["0", "1", "2"]


def test_labels_may_be_ids(tmp_path, write_shard):
    path = write_shard(tmp_path / "x.tar", samples([0, 1, 2, 3], label=lambda number: "ab"[number % 2]))
    shards = Shards(str(path))
    assert [c.id for c in shards.classes] == ["a", "b"]
    assert shards.labels.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a.png", b"x")], "sample a has no .cls member"),
        ([("a.cls", b"1")], "sample a has no image"),
        ([("a.png", b"x"), ("a.cls", b"  ")], "sample a has no .cls member"),
        ([("a.png", b"x"), ("a.cls", b"1" * 1001)], "a.cls: 1001 bytes are no class"),
        ([("a.txt", b"x")], "holds no images"),
        ([("a.png", b"x"), ("a.cls", b"3")], r"x.tar: a.png: label 3 is out of range: of 3 classes"),
    ],
)
def test_samples_that_are_not_whole(tmp_path, write_shard, members, message):
    write_shard(tmp_path / "x.tar", members)
    (tmp_path / "classes.txt").write_text("a\nb\nc\n")
    with pytest.raises(InputError, match=message):
        Shards(str(tmp_path / "x.tar"))


def test_other_members_are_passed_over(tmp_path, write_shard):
    members = [("readme.txt", b""), ("a.json", b"{}"), ("a.JPG", b"image"), ("a.cls", b"0\n"), ("._a.jpg", b"")]
    shards = Shards(str(write_shard(tmp_path / "x.tar", members)))
    assert len(shards) == 1
    assert shards.read(0) == b"image"


@pytest.mark.parametrize("extra", ["mask.png", "left.jpg", "json"])
def test_keys_may_hold_dots(tmp_path, write_shard, extra):
    """Every sample is found, whichever of its members stands first; `KEY.mask.png` is not the image of `KEY`."""
    members = []
    for number in range(8):
        key, image, label = f"set.v2/photo_v1.{number}", f"image {number}".encode(), str(number % 2).encode()
        trio = [(f"{key}.{extra}", b"extra"), (f"{key}.jpg", image), (f"{key}.cls", label)]
        members += trio if number % 3 else reversed(trio)
    shards = Shards(str(write_shard(tmp_path / "x.tar", members)))
    assert shards.labels.tolist() == [0, 1] * 4
    assert [shards.read(index) for index in range(8)] == [f"image {number}".encode() for number in range(8)]


def test_an_image_with_a_dotted_name_but_no_label_is_no_extra(tmp_path, write_shard):
    write_shard(tmp_path / "x.tar", [("a.1.jpg", b"x"), ("a.1.cls", b"0"), ("a.2.jpg", b"x")])
    with pytest.raises(InputError, match=r"sample a.2 has no .cls member"):
        Shards(str(tmp_path / "x.tar"))


def test_what_systems_add_to_an_archive_is_passed_over(tmp_path, write_shard):
    members = []
    for number in range(3):
        for name, content in ((f"{number}.jpg", b"image"), (f"{number}.cls", b"0")):
            members += [(f"./._{name}", b"\0\5"), (f"./{name}", content), (f"__MACOSX/./._{name}", b"\0\5")]
    assert len(Shards(str(write_shard(tmp_path / "x.tar", members)))) == 3


@pytest.mark.parametrize("name", ["data [v2]/ok.tar", "{a,b}/x[1]*?.tar", "TOP.TGZ", "x.Tar.GZ"])
def test_names_that_exist_are_no_patterns(tmp_path, write_shard, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    write_shard(tmp_path / "plain.tar", samples([0, 1, 2]))
    content = (tmp_path / "plain.tar").read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.lower().endswith("gz") else content)
    check(open_dataset(name), [0, 1, 2])


def test_patterns_below_a_folder_with_brackets(tmp_path, write_shard):
    for number in range(3):
        write_shard(tmp_path / "data [v2]" / f"t-{number}.tar", samples([number]))
    assert len(Shards(f"{tmp_path}/data [v2]/t-*.tar")) == 3
    assert len(Shards(f"{tmp_path}/data [v2]/t-[01].tar")) == 2
    assert len(Shards(f"{tmp_path}/data [v2]/t-{{1..2}}.tar")) == 2


def test_labels_that_are_numbers_and_ids(tmp_path, write_shard):
    """Numbers mean the classes of those ids where `classes.txt` has such, as in lists."""
    (tmp_path / "classes.txt").write_text("0\n1\n10\n2\n")
    shards = Shards(str(write_shard(tmp_path / "x.tar", samples([0, 1, 2]))))
    assert [shards.classes[label].id for label in shards.labels] == ["0", "1", "2"]
    assert not shards.bare_numbers
    write_shard(tmp_path / "y.tar", [("a.png", b"x"), ("a.cls", b"Z\xfcrich")])
    with pytest.raises(InputError, match=r"y.tar: a.png: label Z\\udcfcrich is not UTF-8"):
        Shards(str(tmp_path / "y.tar"))


def test_what_cannot_be_unpacked(folder, tmp_path, monkeypatch):
    whole = (folder / "t-0001.tar.gz").read_bytes()
    cases = {
        "not a whole gzip file": whole[: len(whole) // 2],
        "not a whole gzip file.*": b"no gzip at all",
        "unpacks to over 300 times": gzip.compress(bytes(10_000_000)),
    }
    for message, content in cases.items():
        (folder / "t-0001.tar.gz").write_bytes(content)
        with pytest.raises(InputError, match=f"t-0001.tar.gz: {message}") as failure:
            Shards(f"{folder}/t-*.tar.gz")
        assert "\n" not in str(failure.value)
    monkeypatch.setattr(remote, "_SPARE", 1 << 60)
    (folder / "t-0001.tar.gz").write_bytes(whole)
    with pytest.raises(InputError, match=r"t-000\d.tar.gz: no room for its copy"):
        Shards(f"{folder}/t-*.tar.gz")
    assert not [name for name in (tmp_path / "cache" / "shards").iterdir() if "0001" in name.name]


def test_braces():
    assert expand("a-{08..11}.tar") == ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]
    assert expand("{x,y}-{1..2}") == ["x-1", "x-2", "y-1", "y-2"]
    assert sorted(expand("{a{1..2},b}")) == ["a1", "a2", "b"]
    assert expand("{odd}") == ["{odd}"]
    with pytest.raises(InputError, match="stands for no name"):
        expand("x-{3..1}.tar")
    with pytest.raises(InputError, match="more than 100000 names"):
        expand("{000000..999999}{000000..999999}")


def test_cifar(shared):
    mini = shared / "data" / "cifar10-mini"
    shards = Shards(f"{mini}/train-0000.tar")
    assert np.bincount(shards.labels).tolist() == [200] * 10
    assert [c.id for c in shards.classes[:3]] == ["airplane", "automobile", "bird"]
    assert decode(shards.read(1999), "x").shape == (32, 32, 3)
    test = Shards(f"{shared}/data/cifar10/test-{{0000..0001}}.tar.gz")
    assert np.bincount(test.labels).tolist() == [1000] * 10
    small = Shards(f"{mini}/test-0000.tar")
    # the small test set holds the first 50 of each class of the full one
    full = {test.read(i): int(test.labels[i]) for i in range(1000)}
    assert all(full[small.read(i)] == small.labels[i] for i in range(0, 500, 50))


def test_what_may_be_secret_in_a_url_is_not_said(folder):
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/data/good.tar", (folder / "t-0000.tar").read_bytes())
    url = "memory://alice:key@data/missing.tar"
    assert source_name(url) == "memory://data/missing.tar"
    with pytest.raises(InputError, match=r"memory://data/missing\.tar: cannot be read") as failure:
        Shards(url)
    assert "key" not in str(failure.value)


TWICE = (
    ("key a stands twice", "a.png a.cls a.png a.cls"),
    ("key a stands twice", "a.png a.cls b.png b.cls a.png a.cls"),
    ("key a stands twice", "a.png a.cls a.cls"),
    ("key a stands twice", "a.png a.cls b.png b.cls a.cls"),
    ("two images under key a, a.png and a.jpg", "a.png a.cls a.jpg"),
    ("two images under key a, a.png and a.jpg", "a.png a.jpg a.cls"),
)


@pytest.mark.parametrize(("message", "names"), TWICE)
def test_what_stands_twice_is_refused_and_never_lost(tmp_path, write_shard, message, names):
    shard = write_shard(tmp_path / "x.tar", [(name, b"1") for name in names.split()])
    with pytest.raises(InputError, match=f"x.tar: {message}"):
        open_dataset(shard)


def test_the_same_key_in_two_shards_is_two_samples(tmp_path, write_shard):
    for name in ("x-0.tar", "x-1.tar"):
        write_shard(tmp_path / name, [("a.png", b"1"), ("a.mask.png", b"1"), ("a.cls", b"1")])
    assert len(open_dataset(f"{tmp_path}/x-*.tar")) == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz"])
def test_a_pipe_is_no_shard(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match=f"{name}: not a file"):
        open_dataset(tmp_path / name)


def test_a_missing_package_is_named_beside_the_url_that_was_given(monkeypatch):
    def without_packages(url):
        raise ImportError("HTTPFileSystem requires requests and aiohttp")

    monkeypatch.setattr(fsspec.core, "url_to_fs", without_packages)
    with pytest.raises(InputError, match=r'^https://host/x-0.tar: .*pip install "googlenet\[remote\]"$'):
        open_dataset("https://host/x-{0..1}.tar")
