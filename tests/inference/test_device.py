"""Names of devices: torch's forms, those that this machine lacks, and those that are none."""

import pytest
import torch

from googlenet.errors import InputError
from googlenet.inference.device import find_device


@pytest.mark.parametrize("wanted", ["bogus", None, 0, "cuda:", "cuda:x", "cpu:-1", ""])
def test_what_is_no_device_is_told_from_what_is_not_here(wanted: object) -> None:
    with pytest.raises(InputError, match="is not known; there are auto, cpu, cuda"):
        find_device(wanted)  # type: ignore[arg-type]


def test_one_of_several_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [find_device(wanted) for wanted in ("auto", "cuda", "cuda:1", torch.device("cuda", 0))] == [
        *("cuda", "cuda", "cuda:1", "cuda:0")
    ]
    with pytest.raises(InputError, match="device cuda:2: this machine has 2 of the kind"):
        find_device("cuda:2")


def test_a_card_that_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"device cuda:1: torch .* finds none on this machine; there is"):
        find_device("cuda:1")
