"""Downloads against a server on this machine that does everything wrong that servers and networks do."""

import hashlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from googlenet.__main__ import main
from googlenet.errors import InputError
from googlenet.machine import cache_folder
from googlenet.network import zoo
from googlenet.weights import checkpoint, download
from googlenet.weights.download import PUBLISHED, Publication, fetch

CONTENT = np.random.Generator(np.random.Philox(0)).bytes(300_000)


@dataclass
class Server:
    """Answers each request by the next of `answers` (the last again and again); remembers the ranges asked for."""

    address: str = ""
    answers: list[Callable[[BaseHTTPRequestHandler, int], None]] = field(default_factory=list)
    ranges: list[int] = field(default_factory=list)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        self.ranges.append(int(asked[1]) if asked else 0)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        answer(handler, self.ranges[-1])


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.address = f"http://127.0.0.1:{http.server_address[1]}/weights"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nothing, and ask no proxy for what is on this machine."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr(download, "PATIENCE", 2.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def send(
    content: bytes = CONTENT,
    *,
    ranges: bool = True,
    until: int | None = None,
    declared: int | None = None,
    length: bool = True,
) -> Callable[[BaseHTTPRequestHandler, int], None]:
    """Send the content from where it is asked for, but no more than `until`; `declared` is a length that is not so."""

    def answer(handler: BaseHTTPRequestHandler, start: int) -> None:
        start = start if ranges else 0
        if start >= len(content):
            handler.send_error(416)
            return
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if length:
            handler.send_header("Content-Length", str(len(content) - start if declared is None else declared))
        handler.end_headers()
        handler.wfile.write(content[start:until])

    return answer


def status(code: int) -> Callable[[BaseHTTPRequestHandler, int], None]:
    return lambda handler, start: handler.send_error(code)


def cut(handler: BaseHTTPRequestHandler, start: int) -> None:
    """End the connection without a word."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def publication(server: Server, **changes: object) -> Publication:
    known = Publication(server.address, "weights.bin", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
    return replace(known, **changes)  # type: ignore[arg-type]


def refusal(wanted: Publication, folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        fetch(wanted, folder)
    message = str(caught.value)
    assert message.startswith(wanted.address)
    assert "\n" not in message
    assert not (folder / "weights.bin").exists()
    return message


@pytest.mark.parametrize("known", [True, False])
def test_a_file_is_fetched_once(server: Server, tmp_path: Path, known: bool) -> None:
    server.answers = [send()]
    wanted = publication(server) if known else publication(server, size=None, sha256=publication(server).sha256[:8])
    seen: list[tuple[int, int | None]] = []
    path = fetch(wanted, tmp_path / "cache", lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert fetch(wanted, tmp_path / "cache") == path
    assert server.ranges == [0]
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["weights.bin"]


@pytest.mark.parametrize("known", [True, False])
def test_a_cut_download_goes_on(server: Server, tmp_path: Path, known: bool) -> None:
    server.answers = [send(until=100_000), cut, send(until=200_000), status(503), send()]
    wanted = publication(server, size=len(CONTENT) if known else None)
    assert fetch(wanted, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [0, 100_000, 100_000, 200_000, 200_000]


def test_the_next_call_goes_on(server: Server, tmp_path: Path) -> None:
    server.answers = [send(until=100_000), cut]
    assert "the connection ends again and again" in refusal(publication(server), tmp_path)
    assert len(server.ranges) == 6
    server.answers, server.ranges = [send()], []
    assert fetch(publication(server), tmp_path).read_bytes() == CONTENT
    assert server.ranges == [100_000]


def test_a_whole_file_without_its_name_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights.bin.part").write_bytes(CONTENT)
    assert fetch(publication(server, size=None), tmp_path).read_bytes() == CONTENT
    assert server.ranges == []


def test_a_server_that_ignores_ranges_sends_all_again(server: Server, tmp_path: Path) -> None:
    server.answers = [send(until=100_000), send(ranges=False)]
    assert fetch(publication(server), tmp_path).read_bytes() == CONTENT
    assert server.ranges == [0, 100_000]


def test_a_server_that_says_no_length_is_read_to_the_end(server: Server, tmp_path: Path) -> None:
    server.answers = [send(length=False, until=100_000), send(length=False)]
    assert fetch(publication(server), tmp_path).read_bytes() == CONTENT
    assert server.ranges == [0, 100_000]


@pytest.mark.parametrize("left", [b"the beginning of another file", bytes(300_000), bytes(400_000)])
@pytest.mark.parametrize("known", [True, False])
def test_what_another_file_left_is_thrown_away(server: Server, tmp_path: Path, left: bytes, known: bool) -> None:
    (tmp_path / "weights.bin.part").write_bytes(left)
    server.answers = [send()]
    assert fetch(publication(server, size=len(CONTENT) if known else None), tmp_path).read_bytes() == CONTENT


def test_a_damaged_file_in_the_cache_is_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(CONTENT[:-1] + b"x")
    server.answers = [send()]
    assert fetch(publication(server), tmp_path).read_bytes() == CONTENT


def test_lengths_that_are_not_so(server: Server, tmp_path: Path) -> None:
    server.answers = [send(declared=2**60)]
    assert "another file (1,152,921,504,606,846,976 bytes, not 300,000)" in refusal(publication(server), tmp_path)
    assert "another file (1,152,921,504,606,846,976 bytes)" in refusal(publication(server, size=None), tmp_path)
    server.answers = [send(declared=1000)]
    assert "another file (1,000 bytes, not 300,000)" in refusal(publication(server), tmp_path)
    assert "not what was published (its SHA-256" in refusal(publication(server, size=None), tmp_path)
    server.answers = [send(declared=300_001)]
    assert "the connection ends again and again" in refusal(publication(server, size=None), tmp_path)


def test_something_else_is_refused_and_not_kept(server: Server, tmp_path: Path) -> None:
    page = b"<html>Welcome to the hotel's network</html>"
    server.answers = [send(page)]
    assert "another file (43 bytes, not 300,000)" in refusal(publication(server), tmp_path)
    assert "not what was published" in refusal(publication(server, size=None), tmp_path)
    server.answers = [send(CONTENT[::-1])]
    assert "not what was published (its SHA-256 begins with" in refusal(publication(server), tmp_path)
    server.answers = [send(CONTENT * 2, length=False)]
    assert "another file (over 300,000 bytes)" in refusal(publication(server), tmp_path)
    for file in tmp_path.iterdir():
        assert file.name == "weights.bin.part"


@pytest.mark.parametrize(("code", "word"), [(404, "404 Not Found"), (403, "403 Forbidden"), (416, "416")])
def test_answers_without_a_file_are_told(server: Server, tmp_path: Path, code: int, word: str) -> None:
    server.answers = [status(code)]
    message = refusal(publication(server), tmp_path)
    assert f"the server answers {word}" in message
    assert "give it to `googlenet import`" in message
    assert len(server.ranges) == 1


def test_no_network_is_told(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/weights"
        message = refusal(Publication(address, "weights.bin", "", 1), tmp_path)
    assert "cannot be reached" in message
    assert "connect to the network" in message
    nowhere = Publication("http://nowhere.invalid/weights", "weights.bin", "", 1)
    assert "cannot be reached" in refusal(nowhere, tmp_path)


def test_a_silent_server_counts_as_cut(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PATIENCE", 0.2)
    done = threading.Event()

    def silent(handler: BaseHTTPRequestHandler, start: int) -> None:
        send(until=100_000)(handler, start)
        handler.wfile.flush()
        done.wait(2)

    server.answers = [silent, send()]
    assert fetch(publication(server), tmp_path).read_bytes() == CONTENT
    done.set()
    assert server.ranges == [0, 100_000]


def test_a_cache_that_cannot_be_written_is_told(server: Server, tmp_path: Path) -> None:
    server.answers = [send()]
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(InputError, match="cannot be written"):
        fetch(publication(server), tmp_path / "cache")


def test_weights_are_fetched_and_imported(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = zoo.specification("googlenet", width=0.125)
    monkeypatch.setitem(zoo.NETWORKS, "googlenet", lambda: network)
    content = caffemodel(network)
    server.answers = [send(content, until=1000), send(content)]
    digest = hashlib.sha256(content).hexdigest()
    monkeypatch.setitem(PUBLISHED, "bvlc", Publication(server.address, "bvlc.caffemodel", digest, len(content)))
    monkeypatch.delenv("GOOGLENET_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    path, report = download.download("bvlc")
    assert path == Path("bvlc.safetensors")
    assert len(report.used) == 116
    read = checkpoint.read(path)
    assert read.specification.name == network.name
    assert (read.provenance["address"], read.provenance["sha256"]) == (server.address, digest)
    assert cache_folder() == tmp_path / "cache/googlenet"
    assert (cache_folder() / "bvlc.caffemodel").read_bytes() == content
    assert main(["download", "bvlc", "-o", "again.safetensors", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["file", "found", "used", "left", "warnings"]
    assert checkpoint.read(told["file"]).provenance == read.provenance
    assert told["used"] == list(report.used)
    assert len(server.ranges) == 2


def caffemodel(network: object) -> bytes:
    """A `.caffemodel` of the new generation, written by hand: layer 100 {name 1, blobs 7 {shape 7 {dim 1}, data 5}}."""

    def field(number: int, payload: bytes) -> bytes:
        return varint(number << 3 | 2) + varint(len(payload)) + payload

    def varint(value: int) -> bytes:
        return bytes([value & 127 | 128]) + varint(value >> 7) if value > 127 else bytes([value])

    layers: dict[str, list[bytes]] = {}
    for key, shape in checkpoint.expected_tensors(replace(network, auxiliary=())).items():  # type: ignore[type-var]
        name = key.rpartition(".")[0].replace(".", "/", 1)
        name = {"conv1/7x7": "conv1/7x7_s2", "classifier": "loss3/classifier"}.get(name, name)
        blob = field(7, field(1, b"".join(map(varint, shape)))) + field(5, bytes(4 * int(np.prod(shape))))
        layers.setdefault(name, []).append(field(7, blob))
    return b"".join(field(100, field(1, name.encode()) + b"".join(blobs)) for name, blobs in layers.items())


def test_unknown_names_are_told() -> None:
    with pytest.raises(InputError, match="no weights are called 'vgg'; there are bvlc, google, torchvision"):
        download.download("vgg")


def test_published_addresses_are_whole() -> None:
    for known in PUBLISHED.values():
        assert known.address.startswith("http")
        assert known.address.endswith(known.file)
        assert re.fullmatch(r"[0-9a-f]{8}|[0-9a-f]{64}", known.sha256)
    assert PUBLISHED["torchvision"].sha256 in PUBLISHED["torchvision"].file
