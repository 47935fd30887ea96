"""Masks that go by image: the same in every place, part and order; of the given rate; torch's own in evaluation."""

import pytest
import torch
from torch import nn

from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.zoo import specification
from googlenet.training.dropout import IndexedDropout
from googlenet.training.fused import TrainingNetwork


def masks(indices: list[int], *, rate: float = 0.4, name: str = "dropout", seed: int = 0, step: int = 0):  # type: ignore[no-untyped-def]
    layer = IndexedDropout(rate, name, (1024, 1, 1))
    layer.draw(seed, step, torch.tensor(indices, dtype=torch.int64), "cpu")
    assert layer.mask is not None
    return layer.mask


def test_a_mask_goes_by_image_and_not_by_place():
    whole = masks([5, 900_000, 3, 17])
    assert torch.equal(masks([17, 3, 900_000, 5]), whole.flip(0))
    assert torch.equal(torch.cat([masks([5, 900_000, 3]), masks([17])]), whole)


def test_seed_step_and_layer_make_other_masks():
    one = masks([5])
    for other in (masks([6]), masks([5], seed=1), masks([5], step=1), masks([5], name="auxiliary_4a/dropout")):
        assert 0.3 < float((one != other).float().mean()) < 0.7  # 2 * 0.4 * 0.6 = 0.48 of independent masks


@pytest.mark.parametrize("rate", [0.2, 0.4, 0.7])
def test_the_rate_is_kept_and_so_is_the_mean(rate: float):
    mask = masks(list(range(200)), rate=rate)
    assert mask.unique().tolist() == pytest.approx([0.0, 1 / (1 - rate)])
    deviation = (rate * (1 - rate) / mask.numel()) ** 0.5
    assert float((mask == 0).double().mean()) == pytest.approx(rate, abs=4 * deviation)
    assert float(mask.mean()) == pytest.approx(1.0, abs=0.02)
    by_place = (mask == 0).double().mean(dim=0)  # no place is dropped more often than others
    assert float(by_place.std()) == pytest.approx((rate * (1 - rate) / 200) ** 0.5, rel=0.15)


def test_evaluation_has_none_and_training_wants_them_drawn():
    layer = IndexedDropout(0.5, "dropout", (4,))
    x = torch.ones(2, 4)
    with pytest.raises(RuntimeError, match="no masks were drawn"):
        layer(x)
    layer.draw(0, 0, torch.tensor([1, 2]), "cpu")
    assert torch.equal(layer(x), layer.mask)
    assert layer(x.bfloat16()).dtype == torch.bfloat16
    with pytest.raises(RuntimeError):
        layer(torch.ones(3, 4))  # drawn for another batch
    assert layer.eval()(x) is x


def test_a_network_trains_the_same_in_any_order_of_its_images():
    plain = Network(specification("googlenet-tiny", classes=4, width=0.25))
    initialise(plain)
    assert sum(type(module) is nn.Dropout for module in plain.modules()) == 3  # for people's own loops
    network = TrainingNetwork(plain)
    assert sum(type(module) is IndexedDropout for module in network.modules()) == 3
    x, indices = torch.randn(5, 3, 32, 32), torch.tensor([40, 2, 7, 11, 3])
    network.draw_masks(0, 6, indices)
    whole = network(x)
    for some in ([3, 1], [4, 0, 2]):
        network.draw_masks(0, 6, indices[some])
        for name, logits in network(x[some]).items():
            torch.testing.assert_close(logits, whole[name][some], rtol=1e-4, atol=1e-5)
