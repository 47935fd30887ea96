"""A folded unit against the unit itself in evaluation."""

import pytest
import torch

from googlenet.inference.folding import fold
from googlenet.network.graph import expand
from googlenet.network.module import ConvolutionUnit
from googlenet.network.zoo import specification


@pytest.mark.parametrize("name", ["googlenet-bn", "googlenet-tiny"])
def test_folded_unit_computes_the_same(name: str) -> None:
    node = next(node for node in expand(specification(name)) if node.name == "inception_3a/3x3")
    unit = ConvolutionUnit(node, same=False).eval()
    generator = torch.Generator().manual_seed(1)
    for tensor in (*unit.parameters(), *unit.buffers()):
        if tensor.is_floating_point():
            tensor.data.uniform_(0.1, 2.0, generator=generator)
    unit = unit.double()
    x = torch.randn(2, node.input[0], 6, 5, dtype=torch.float64, generator=generator)
    weight, bias = fold(unit)
    with torch.no_grad():
        expected = unit(x)
    assert expected.unique().numel() > 10
    torch.testing.assert_close(torch.relu(torch.conv2d(x, weight, bias, padding=1)), expected)
