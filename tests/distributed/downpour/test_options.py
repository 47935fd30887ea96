"""Options out of range, and what of them a run must keep."""

import subprocess
import sys
from dataclasses import fields

import pytest

from googlenet.distributed.downpour.options import Downpour
from googlenet.errors import InputError


def test_the_list_of_options_is_frozen() -> None:
    assert [one.name for one in fields(Downpour)] == [
        *["replicas", "shards", "address", "fetch_every", "push_every", "warm_start", "mitigation", "bound"],
        *["compensation", "backups", "adagrad", "keep_every", "replicate"],
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"replicas": 0}, "replicas 0: give at least 1"),
        ({"shards": 5000}, "give at most 1000"),
        ({"bound": -1}, "bound -1: give at least 0"),
        ({"compensation": float("nan")}, "compensation nan: give at least 0"),
        (
            {"replicas": 2, "backups": 2, "mitigation": "synchronous"},
            "backups 2: of 2 replicas at least one must be waited for",
        ),
        ({"mitigation": "synchronous", "push_every": 2}, "each step; leave --push-every 2 out"),
        ({"bound": 2}, "bound 2: is of --mitigation bounded; give that too, or leave it out"),
        ({"backups": 1, "mitigation": "bounded"}, "backups 1: is of --mitigation synchronous"),
        ({"compensation": 0.1, "mitigation": "divide"}, "compensation 0.1: is of --mitigation delay-compensation"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Downpour(**options)  # type: ignore[arg-type]


def test_a_run_keeps_what_decides_what_is_learnt_and_may_have_other_machines() -> None:
    one = Downpour(mitigation="bounded", bound=2).described("bfloat16")
    assert one == Downpour(8, 3, mitigation="bounded", bound=2, replicate=True).described("bfloat16")
    assert one["bound"] == 2
    for other in (Downpour(mitigation="bounded"), Downpour(adagrad=True), Downpour(push_every=2)):
        assert other.described("bfloat16") != one


def test_the_command_reads_its_options_without_torch_or_ray() -> None:
    program = "import sys, googlenet.commands.train; print(sorted({'torch', 'ray'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"
