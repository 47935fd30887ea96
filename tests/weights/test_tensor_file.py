"""Safetensors files whose header would cost the library all time and memory, or says a thing twice."""

import json
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from googlenet.errors import InputError
from googlenet.weights.tensor_file import open_tensors

TENSOR = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def refusal(folder: Path, header: bytes, data: bytes = bytes(8), length: int | None = None) -> str:
    path = folder / "weights.safetensors"
    path.write_bytes((len(header) if length is None else length).to_bytes(8, "little") + header + data)
    start = time.process_time()
    with pytest.raises(InputError) as caught, open_tensors(path):
        pass
    assert time.process_time() - start < 5
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_whole_files_are_opened(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(save({"a": torch.arange(3.0), "b": torch.ones(2, 1, dtype=torch.bfloat16)}, {"format": "x"}))
    with open_tensors(path) as file:
        assert file.metadata == {"format": "x"}
        assert file.shapes == {"a": (3,), "b": (2, 1)}
        assert file.read("a").tolist() == [0, 1, 2]
        assert file.read("b").dtype == torch.bfloat16


def test_headers_are_looked_at_first(tmp_path: Path) -> None:
    empty = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
    many = json.dumps({str(number): empty for number in range(10_001)}).encode()
    assert "over 10,000 tensors" in refusal(tmp_path, many, b"")
    assert "a header of 8,388,608 bytes" in refusal(tmp_path, b" " * 2**23)
    assert "a header of 1,152,921,504,606,846,976 bytes" in refusal(tmp_path, b"{}", length=2**60)
    twice = b'{"a": %s, "a": %s}' % ((json.dumps(TENSOR).encode(),) * 2)
    assert "'a' is there twice" in refusal(tmp_path, twice)
    assert "its header" in refusal(tmp_path, b"[" * 1_000_000)
    assert "no names" in refusal(tmp_path, b"[]")


def test_what_the_library_refuses_is_one_line(tmp_path: Path) -> None:
    overlapping = json.dumps({"a": TENSOR, "b": TENSOR}).encode()
    assert "not a whole safetensors file" in refusal(tmp_path, overlapping)
    huge = json.dumps({"a": TENSOR | {"shape": [2**60, 2**60]}}).encode()
    assert "not a whole safetensors file" in refusal(tmp_path, huge)
    assert "not a whole safetensors file" in refusal(tmp_path, json.dumps({"a": TENSOR}).encode(), bytes(7))
    assert "not a whole safetensors file" in refusal(tmp_path, json.dumps({"a": TENSOR}).encode(), bytes(9))
    assert "not a whole safetensors file" in refusal(tmp_path, b"\xff\xfe", b"")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"), open_tensors(tmp_path / "absent"):
        pass
    with pytest.raises(InputError, match="not a file"), open_tensors(tmp_path):
        pass
