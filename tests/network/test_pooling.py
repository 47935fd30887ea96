"""Pools: values and gradients are those of torch's operators, of bfloat16 those of float64 rounded once."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from googlenet import native
from googlenet.network import pooling
from googlenet.network.pooling import average_pool, can_pool, max_pool
from googlenet.network.specification import AveragePool, MaxPool

needs_kernels = pytest.mark.usefixtures("kernels")


@pytest.fixture(params=native.levels() if can_pool() else [pytest.param("", marks=pytest.mark.skip("no kernels"))])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each library that this processor runs."""
    library = native.load(request.param)
    monkeypatch.setattr(native, "library", lambda: library)


@needs_kernels
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 70), st.integers(3, 40), st.integers(3, 12)),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 3),
    padded=st.booleans(),
    rounding=st.sampled_from(["ceil", "floor"]),
    levels=st.sampled_from([2, 1000]),  # two values make many ties, of which the first counts
    seed=st.integers(0, 999),
)
def test_pools_are_torchs_to_the_bit(shape, kernel, stride, padded, rounding, levels, seed):  # type: ignore[no-untyped-def]
    generator = torch.Generator().manual_seed(seed)
    stride = min(stride, kernel)
    pool = MaxPool("pool", kernel, stride, kernel // 2 if padded else 0, rounding)
    x = torch.randint(-levels, levels, shape, generator=generator).float()
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    y = max_pool(ours, pool)
    expected = functional.max_pool2d(theirs, kernel, stride, pool.padding, ceil_mode=rounding == "ceil")
    assert torch.equal(y, expected)
    gradient = torch.randint(-9, 9, y.shape, generator=generator).float()  # whole numbers: sums are exact in any order
    y.backward(gradient)
    expected.backward(gradient)
    assert torch.equal(ours.grad, theirs.grad)


@needs_kernels
def test_a_rectified_pool_is_a_relu_and_a_pool():
    x = torch.randn(2, 37, 13, 9, dtype=torch.float32, generator=torch.Generator().manual_seed(1)) - 1
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    pool = MaxPool("pool", 3, 2)
    y = max_pool(ours, pool, rectified=True)
    expected = functional.max_pool2d(functional.relu(theirs), 3, 2, ceil_mode=True)
    assert torch.equal(y, expected)
    assert (y == 0).any()
    y.sum().backward()
    expected.sum().backward()
    assert torch.equal(ours.grad, theirs.grad)


@needs_kernels
def test_bfloat16_is_rounded_once():
    x = torch.randn(2, 50, 14, 14, generator=torch.Generator().manual_seed(2)).bfloat16()
    ours, exact = x.clone().requires_grad_(), x.double().requires_grad_()
    pool = MaxPool("pool", 3, 1, 1)
    y = max_pool(ours, pool)
    expected = functional.max_pool2d(exact, 3, 1, 1)
    assert torch.equal(y.double(), expected)
    gradient = torch.randn(y.shape, generator=torch.Generator().manual_seed(3)).bfloat16()
    y.backward(gradient)
    expected.backward(gradient.double())
    assert torch.equal(ours.grad, exact.grad.bfloat16())


@needs_kernels
def test_what_is_not_a_number_is_not_hidden():
    x = torch.zeros(1, 20, 4, 4)
    for sign in (1.0, -1.0):
        x[0, 3, 1, 1] = torch.copysign(torch.tensor(float("nan")), torch.tensor(sign))
        for kind in (torch.float32, torch.bfloat16):
            for rectified in (False, True):
                y = max_pool(x.to(kind), MaxPool("pool", 2, 2), rectified=rectified)
                assert y.isnan().nonzero().tolist() == [[0, 3, 0, 0]]


@needs_kernels
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_zeros_of_both_signs_are_equal_and_infinities_ordered(kind: torch.dtype):
    infinite = float("inf")
    x = torch.tensor([[-0.0, 0.0, -infinite, -3e38, infinite, 3e38, -1e-38, -2e-38]], dtype=kind).reshape(1, 1, 1, 8)
    pool = MaxPool("pool", 2, 2, rounding="floor")
    ours, theirs = (x.expand(1, 1, 2, 8).clone().requires_grad_() for _ in range(2))
    y, expected = max_pool(ours, pool), functional.max_pool2d(theirs, 2, 2)
    assert torch.equal(y, expected)
    for one in (y, expected):
        one.backward(torch.ones_like(one))
    assert torch.equal(ours.grad, theirs.grad)


@needs_kernels
@pytest.mark.parametrize(
    ("shape", "pool", "message"),
    [
        ((2, 3, 5), MaxPool("pool", 3, 2), "on the CPU is wanted, found"),
        ((1, 4, 20, 20), MaxPool("pool", 16, 1), "a window is 1 to 15 pixels wide"),
        ((1, 4, 5, 5), MaxPool("pool", 3, 2, 3), "a padding is less than a window"),
        ((1, 4, 5, 5), MaxPool("pool", 3, 2, -1), "a padding is less than a window"),
    ],
)
def test_hostile_windows_are_refused(shape: tuple[int, ...], pool: MaxPool, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        max_pool(torch.zeros(shape), pool)


@needs_kernels
@pytest.mark.parametrize(
    ("size", "window"),
    [
        ([9, 9], (3, 2, 0)),
        ([2, 9], (3, 2, 0)),
        ([3, 2], (1, 65536, 0)),
        ([2, 2], (2, 1 << 40, 1)),
        ([-1, 2], (3, 2, 0)),
    ],
)
def test_windows_beyond_the_map_are_refused(size: list[int], window: tuple[int, int, int]) -> None:
    with pytest.raises((ValueError, RuntimeError), match=r"outside the map|out of range|negative dimension|1 or more"):
        pooling._maxima(torch.zeros(1, 3, 5, 5), size, *window, False)


@needs_kernels
def test_a_stride_beyond_the_map_takes_its_first_pixel() -> None:
    x = torch.arange(50.0).reshape(1, 2, 5, 5)
    assert max_pool(x, MaxPool("pool", 1, 65536)).tolist() == [[[[0.0]], [[25.0]]]]


@needs_kernels
@pytest.mark.parametrize("kind", [torch.float64, torch.half, torch.int64])
def test_other_numbers_are_refused(kind: torch.dtype) -> None:
    with pytest.raises(ValueError, match="float32 or bfloat16 on the CPU is wanted"):
        max_pool(torch.zeros(1, 2, 4, 4, dtype=kind), MaxPool("pool", 2, 2))


@needs_kernels
def test_torch_finds_no_fault_in_the_operators() -> None:
    """Schema, what compilers are told of the results, and the gradient, as torch's own checks see them."""
    x = torch.randn(2, 9, 7, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
    window = (3, 2, 0, True)
    torch.library.opcheck(pooling._maxima, (x, [4, 4], *window))
    y, places = pooling._maxima(x.detach(), [4, 4], *window)
    checks = ("test_schema", "test_faketensor")  # it has no gradient of its own
    torch.library.opcheck(pooling._gradient, (torch.ones_like(y), places, [7, 8], *window), test_utils=checks)


@needs_kernels
@pytest.mark.parametrize("dynamic", [False, True])
def test_pools_can_be_compiled_whole_with_their_gradients(dynamic: bool) -> None:
    def pools(x: torch.Tensor) -> torch.Tensor:
        return average_pool(max_pool(x, MaxPool("pool", 3, 2), rectified=True), AveragePool("pool", 2))

    compiled = torch.compile(pools, backend="aot_eager", fullgraph=True, dynamic=dynamic)
    x = torch.randn(2, 9, 9, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
    again = x.detach().clone().requires_grad_()
    y, expected = compiled(x), pools(again)
    torch.testing.assert_close(y, expected)
    y.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(x.grad, again.grad)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(5, 15), st.integers(5, 15)),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 5),
    rounding=st.sampled_from(["ceil", "floor"]),
    channels_last=st.booleans(),
)
def test_averages_are_torchs(shape, kernel, stride, rounding, channels_last):  # type: ignore[no-untyped-def]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    layout = torch.channels_last if channels_last else torch.contiguous_format
    ours, theirs = x.clone(memory_format=layout).requires_grad_(), x.double().requires_grad_()
    y = average_pool(ours, AveragePool("pool", kernel, stride, rounding=rounding))
    expected = functional.avg_pool2d(theirs, kernel, stride, ceil_mode=rounding == "ceil")
    torch.testing.assert_close(y.double(), expected, rtol=1e-5, atol=1e-6)
    gradient = torch.randn(y.shape, generator=torch.Generator().manual_seed(2))
    y.backward(gradient)
    expected.backward(gradient.double())
    torch.testing.assert_close(ours.grad.double(), theirs.grad, rtol=1e-5, atol=1e-6)


def test_the_gradient_of_averages_in_bfloat16_is_summed_in_float32():
    x = torch.randn(2, 40, 14, 14, generator=torch.Generator().manual_seed(3)).bfloat16().requires_grad_()
    exact = x.detach().double().requires_grad_()
    y, expected = average_pool(x, AveragePool("pool", 5, 3)), functional.avg_pool2d(exact, 5, 3, ceil_mode=True)
    y.sum().backward()
    expected.sum().backward()
    assert x.grad.dtype == torch.bfloat16
    torch.testing.assert_close(x.grad.double(), exact.grad, rtol=2**-7, atol=0)
