"""What does not fit together is refused before memory is touched: by the plan, and again by the kernels themselves."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from googlenet import native
from googlenet.errors import InputError
from googlenet.inference.native_plan import Packed, Plan
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.zoo import specification

pytestmark = pytest.mark.skipif(native.library() is None, reason="built without kernels")

SHAPE = (2, 3, 32, 32)


@pytest.fixture(scope="module")
def network() -> Network:
    network = Network(specification("googlenet-tiny"), auxiliary=False).eval()
    initialise(network)
    return network


@pytest.fixture
def plan(network: Network) -> Plan:
    return Plan(Packed(network), SHAPE, ["classifier"])


def pixels(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 50


@pytest.mark.parametrize("level", native.levels() if native.library() is not None else [])
def test_every_library_computes_the_modules_logits(
    level: str, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = native.load(level)
    monkeypatch.setattr(native, "library", lambda: library)
    with torch.no_grad():
        expected = network(pixels(*SHAPE))
    found = Plan(Packed(network), SHAPE, ["classifier"]).run(pixels(*SHAPE), 2)["classifier"]
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("shape", [(2, 1, 32, 32), (2, 4, 32, 32), (1, 3, 32, 32), (2, 3, 33, 32), (2, 3, 32)])
def test_pixels_of_another_shape_are_refused(shape: tuple[int, ...], plan: Plan) -> None:
    with pytest.raises(ValueError, match=r"the plan is for \[2, 3, 32, 32\]"):
        plan.run(pixels(*shape), 2)


def test_other_numbers_are_refused(plan: Plan) -> None:
    with pytest.raises(ValueError, match=r"not for .* torch\.float64"):
        plan.run(pixels(*SHAPE).double(), 2)


@pytest.mark.parametrize("size", [64, 97])
def test_a_grid_that_the_classifier_was_not_made_for_is_refused(size: int) -> None:
    network = Network(specification("googlenet"), auxiliary=False).eval()
    with pytest.raises(InputError, match=r"classifier: .* the network was not made"):
        Plan(Packed(network), (1, 3, 224 + size, 224), ["classifier"])


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("x", "channels", 4096),
        ("x", "height", 1 << 20),
        ("x", "images", 3),
        ("x", "stride", 1),
        ("x", "length", 1),
        ("window", "height", 1 << 40),
        ("window", "kernel", 9),
        ("window", "stride", 0),
        ("window", "left", -1),
        ("", "weights", 16),
        ("", "biases", 0),
        ("", "count", 0),
        ("", "kind", 17),
    ],
)
def test_kernels_check_steps_themselves(part: str, field: str, value: int, plan: Plan) -> None:
    step = plan._program[0]
    setattr(getattr(step, part) if part else step, field, value)
    with pytest.raises(ValueError, match=r"^run_plan: "):
        plan.run(pixels(*SHAPE), 2)


def test_a_plan_can_be_copied(plan: Plan) -> None:
    again = copy.deepcopy(plan)
    assert torch.equal(again.run(pixels(*SHAPE), 2)["classifier"], plan.run(pixels(*SHAPE), 2)["classifier"])


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux")
def test_where_no_thread_can_be_started_the_caller_does_the_work_alone(network: Network, tmp_path: Path) -> None:
    with torch.no_grad():
        expected = network(pixels(*SHAPE))
    torch.save((network.state_dict(), pixels(*SHAPE)), tmp_path / "network.pt")
    code = """
import resource, sys, torch
from googlenet.inference.native_plan import Packed, Plan
from googlenet.network.module import Network
from googlenet.network.zoo import specification
weights, x = torch.load(sys.argv[1])
network = Network(specification("googlenet-tiny"), auxiliary=False).eval()
network.load_state_dict(weights)
plan = Plan(Packed(network), x.shape, ["classifier"])
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (6 << 20), used + (6 << 20)))  # a thread's stack is 8 MiB
logits = plan.run(x, 8)["classifier"]
torch.save(logits, sys.argv[2])
"""
    files = [str(tmp_path / "network.pt"), str(tmp_path / "logits.pt")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *files], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    found = torch.load(files[1])
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
