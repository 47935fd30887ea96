"""Bad images are kept each once, in any number, as they were at the checkpoint."""

from pathlib import Path

import pytest
import torch

from googlenet.training.bad_images import BadImages
from googlenet.training.checkpoints import State, load, save


def test_each_is_written_once_and_found_again(tmp_path: Path):
    path = tmp_path / "bad-images.jsonl"
    kept = BadImages(path, 0)
    assert not path.exists()
    kept.take([("a.jpg", "cut off"), ("ü\n.jpg", "empty")])
    kept.take([("a.jpg", "cut off")])
    length = kept.settle()
    kept.take([("after the checkpoint.jpg", "empty")])
    kept.close()
    assert path.read_text().count("\n") == 3
    again = BadImages(path, length)
    assert again.reasons == {"a.jpg": "cut off", "ü\n.jpg": "empty"}
    again.close()
    BadImages(path, 0).close()  # killed before its first checkpoint
    assert path.read_bytes() == b""


@pytest.mark.parametrize("content", [b"", b"not json, but long enough\n" * 10, b'{"image": 1}\n' * 20, b"[]\n" * 90])
def test_a_file_that_was_changed_is_one_line_and_goes_on(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "bad-images.jsonl").write_bytes(content)
    kept = BadImages(tmp_path / "bad-images.jsonl", len(content) or 100)
    assert "bad-images.jsonl: " in capsys.readouterr().err.replace("\n", "")
    kept.take([("a.jpg", "cut off")])
    kept.close()
    assert kept.reasons == {"a.jpg": "cut off"}


def test_two_hundred_thousand_leave_the_state_readable(tmp_path: Path):
    names = [f"train/n01440764/n01440764_{number}.JPEG" for number in range(200_000)]
    kept = BadImages(tmp_path / "bad-images.jsonl", 0)
    kept.take((name, f"{name}: not a whole JPEG file (cut off); replace it or leave it out") for name in names)
    save(tmp_path, State(1, {"network.a": torch.ones(1)}, 0, {"bad_images_bytes": kept.settle()}))
    kept.close()
    state = load(tmp_path)
    assert state is not None
    again = BadImages(tmp_path / "bad-images.jsonl", state.counters["bad_images_bytes"])
    again.close()
    assert list(again.reasons) == names
