"""The packed network against the plain one: nearly to the last digit in float32, as near as eight bits in bfloat16."""

import pytest
import torch
from torch import Tensor

from googlenet.inference import packed
from googlenet.inference.packed import PackedNetwork, can_pack
from googlenet.inference.predictor import Predictor
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.zoo import NETWORKS, specification

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
needs_units = pytest.mark.skipif(not can_pack(), reason="oneDNN has no bfloat16 on this processor")


def _network(name: str) -> Network:
    network = Network(specification(name, width=0.25))
    initialise(network, seed=5)
    generator = torch.Generator().manual_seed(6)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # fresh ones would change nothing
            module.running_mean.normal_(generator=generator)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2.0, generator=generator)  # type: ignore[union-attr]
    return network.eval()


def _input(network: Network, images: int) -> Tensor:
    shape = (images, *network.specification.input)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(7)) * 50
    return x.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", sorted(NETWORKS))
@torch.inference_mode()
def test_every_network_of_the_zoo_is_the_same_in_float32(name: str) -> None:
    plain = _network(name)
    x = _input(plain, 3)
    expected, found = plain(x), PackedNetwork(plain, torch.float32)(x)
    assert float((found - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


@pytest.mark.parametrize("name", ["googlenet", "googlenet-bn"])
@torch.inference_mode()
def test_every_layer_has_its_name(name: str) -> None:
    plain = _network(name)
    x = _input(plain, 2)
    names = ["inception_3a/3x3_reduce", "inception_3a/3x3", "inception_4a", "inception_5b/pool_proj", "classifier"]
    expected, found = plain.features(x, names), PackedNetwork(plain, torch.float32).features(x, names)
    for key in names:
        assert float((found[key] - expected[key]).abs().max()) <= 1e-5 * float(expected[key].abs().max()), key


@torch.inference_mode()
def test_without_kernels_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = _network("googlenet")
    x = _input(plain, 2)
    monkeypatch.setattr(packed.native, "library", lambda: None)
    expected, found = plain(x), PackedNetwork(plain, torch.float32)(x)
    assert float((found - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


@torch.inference_mode()
def test_weights_are_kept_for_a_few_shapes_alone() -> None:
    plain = _network("googlenet-tiny")
    network = PackedNetwork(plain, torch.float32)
    for images in [*range(1, 8), 1]:
        x = _input(plain, images)
        torch.testing.assert_close(network(x), plain(x), rtol=1e-4, atol=1e-4)
        assert len(network.get_submodule("conv1.3x3")._packed) <= packed.PACKED


def test_later_changes_do_not_reach_it() -> None:
    plain = _network("googlenet-tiny")
    x = _input(plain, 1)
    with torch.inference_mode():
        network = PackedNetwork(plain, torch.float32)
        before = network(x)
        for parameter in plain.parameters():
            parameter.zero_()
        assert torch.equal(network(x), before)


@needs_units
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_in_bfloat16_it_is_as_near_as_torchs_own(name: str) -> None:
    plain = _network(name)
    x = _input(plain, 4)
    with torch.inference_mode():
        exact = plain(x)
        own = plain.bfloat16()(x.bfloat16()).float()
    plain = _network(name)
    found = Predictor(plain, device="cpu", precision="bfloat16", engine="torch")(x)
    scale = float(exact.abs().max())
    assert float((found - exact).abs().max()) <= 2 * float((own - exact).abs().max()) + 0.005 * scale
    assert not torch.equal(found, exact)


@pytest.mark.parametrize("answer", [AttributeError, RuntimeError, 0.5])
def test_where_the_calls_are_missing_or_wrong_the_plain_module_computes(
    answer: type[Exception] | float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def convolve(x: Tensor, *_: object) -> Tensor:
        if isinstance(answer, float):
            return torch.full((1, 3, 3, 3), answer).bfloat16()
        raise answer("as in another release of torch")

    monkeypatch.setattr(packed, "_convolve", convolve)
    can_pack.cache_clear()
    try:
        assert not can_pack()
        plain = _network("googlenet-tiny")
        x = _input(plain, 2)
        found = Predictor(plain, device="cpu", precision="bfloat16", engine="torch")(x)
        assert float((found - plain(x).detach()).abs().max()) <= 0.05 * float(found.abs().max())
    finally:
        can_pack.cache_clear()
