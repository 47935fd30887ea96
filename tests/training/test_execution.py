"""A run goes on as it was computed, and on a machine that cannot, as near to it as that machine can."""

from dataclasses import asdict, replace

import pytest
import torch

from googlenet import native
from googlenet.errors import InputError
from googlenet.machine import processor
from googlenet.network import zoo
from googlenet.network.module import Network
from googlenet.records import decode
from googlenet.training import execution as module
from googlenet.training.execution import Execution, continued

CORES = processor().cores


def here(recorded: Execution, device: str = "auto", precision: str = "auto") -> tuple[Execution, str]:
    network = Network(zoo.specification("googlenet-tiny", classes=3))
    return continued(recorded, network, device=device, precision=precision, batch_size=4, images=100)


@pytest.mark.parametrize("device", ["auto", "cpu"])
@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_what_this_machine_can_do_stays_however_it_is_asked_for(device: str, precision: str):
    recorded = Execution("cpu", "float32", channels_last=False, joined=True, threads=1)
    assert here(recorded, device, precision) == (recorded, "")
    assert here(replace(recorded, threads=0), device, precision)[1] == ""
    assert decode(Execution, asdict(recorded), "state") == recorded


@pytest.mark.skipif(torch.cuda.is_available(), reason="has CUDA")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_without_the_device_it_goes_on_where_there_is_one(precision: str):
    execution, why = here(Execution("cuda", precision, threads=64))
    assert (execution.device, why) == (module.find_device("auto"), "there is no cuda here")
    assert execution.threads <= max(CORES, torch.get_num_threads())
    with pytest.raises(InputError, match=r"device cuda: torch .* finds none"):
        here(Execution("cuda"), "cuda")


def test_another_device_may_be_told():
    execution, why = here(Execution("mps"), "cpu")
    assert (execution.device, why) == ("cpu", "as told")


def test_without_compiled_kernels_it_takes_the_forms_without_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(native, "library", lambda: None)
    recorded = Execution("cpu", normalisation="fused", joined=True, own_pools=True, threads=1)
    execution, why = here(recorded)
    assert execution == replace(recorded, normalisation="blocks", own_pools=False)
    assert why == "there are no compiled kernels here"


def test_on_fewer_cores_it_takes_fewer_threads():
    execution, why = here(Execution("cpu", threads=CORES + 62))
    assert 1 <= execution.threads <= CORES
    assert f"there are {CORES} core" in why
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # as OMP_NUM_THREADS=1 would; what was recorded and fits stays
    try:
        assert here(Execution("cpu", threads=CORES)) == (Execution("cpu", threads=CORES), "")
    finally:
        torch.set_num_threads(before)


def test_without_units_for_bfloat16_it_goes_on_in_float32_unless_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "has_bfloat16", lambda device: False)
    recorded = Execution("cpu", "bfloat16", threads=1)
    assert here(recorded) == (replace(recorded, precision="float32"), "there are no units for bfloat16 here")
    assert here(recorded, precision="bfloat16") == (recorded, "")
    assert here(recorded, precision="float32") == (replace(recorded, precision="float32"), "as told")


def test_exactness_is_set_for_the_computation_alone():
    flags = torch.backends.cudnn
    before = (flags.benchmark, flags.deterministic, flags.allow_tf32)
    with Execution("cpu").computing():
        assert (flags.benchmark, flags.deterministic, flags.allow_tf32) == (False, True, False)
    assert (flags.benchmark, flags.deterministic, flags.allow_tf32) == before


def test_only_cuda_copies_from_pinned_memory_without_waiting(monkeypatch: pytest.MonkeyPatch):
    calls: list[object] = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: calls.append("pinned") or self)
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *given, **how: calls.append((*given, how)) or self)
    for device in ("cuda", "mps", "cpu"):
        Execution(device).bring(torch.zeros(1))
    assert calls == ["pinned", ("cuda", {"non_blocking": True}), ("mps", {}), ("cpu", {})]
