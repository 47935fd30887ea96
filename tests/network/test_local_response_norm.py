"""The answers come from torch's own operator, from finite differences and from values worked by hand."""

import copy
from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from googlenet import native
from googlenet.errors import InputError
from googlenet.network import local_response_norm as module
from googlenet.network.local_response_norm import LocalResponseNorm, fastest_form, set_form

Norm = Callable[..., Tensor]


@pytest.fixture(params=["blocks", *(native.levels() if native.library() is not None else ())])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test of values runs in blocks, and fused with each library that this processor runs."""
    if request.param == "blocks":
        return "blocks"
    library = native.load(request.param)
    monkeypatch.setattr(native, "library", lambda: library)
    return "fused"


@pytest.fixture
def local_response_norm(form: str) -> Norm:
    return partial(module.local_response_norm, form=form)


def _images(
    shape: tuple[int, ...], channels_last: bool, dtype: torch.dtype = torch.float32, scale: float = 10
) -> Tensor:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).mul(scale).to(dtype)
    return x.contiguous(memory_format=torch.channels_last) if channels_last else x


@pytest.mark.parametrize(
    ("channels", "constants", "expected"),
    [
        ([10.0] * 8, (5, 1e-4, 0.75, 1.0, True), [9.955235, 9.940417, *[9.925650] * 4, 9.940417, 9.955235]),
        (
            [10.0 * c for c in range(8)],
            (5, 1e-4, 0.75, 1.0, True),
            [0, 9.795016, 19.144790, 27.741441, 35.330394, 41.794315, 50.693001, 60.301507],
        ),
        (
            [10.0] * 16,
            (11, 1e-4, 0.5, 2.0, False),
            [
                *[6.967330, 6.950480, 6.933752, 6.917145, 6.900656],
                *[6.884284] * 6,
                *[6.900656, 6.917145, 6.933752, 6.950480, 6.967330],
            ],
        ),
    ],
    ids=["caffe, constant", "caffe, ramp", "released network"],
)
def test_hand_worked_values(
    channels: list[float], constants: tuple, expected: list[float], local_response_norm: Norm
) -> None:
    x = torch.tensor(channels).view(1, -1, 1, 1).expand(2, -1, 3, 3)
    y = local_response_norm(x, *constants)
    torch.testing.assert_close(y, torch.tensor(expected).view(1, -1, 1, 1).expand(2, -1, 3, 3), rtol=1e-6, atol=1e-6)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 9), st.integers(1, 9)),
    size=st.integers(1, 12),
    beta=st.sampled_from([0.75, 0.5, 1.0, 0.3]),
    k=st.sampled_from([1.0, 2.0]),
    channels_last=st.booleans(),
)
def test_same_as_torch(
    shape: tuple[int, ...], size: int, beta: float, k: float, channels_last: bool, local_response_norm: Norm
) -> None:
    x = _images(shape, channels_last)
    y = local_response_norm(x, size, 1e-3, beta, k)
    torch.testing.assert_close(y, functional.local_response_norm(x, size, 1e-3, beta, k), rtol=1e-6, atol=0)
    assert y.stride() == x.stride()
    undivided = local_response_norm(x, size, 1e-3 / size, beta, k, divided=False)
    torch.testing.assert_close(undivided, y, rtol=1e-6, atol=0)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("shape", [(3, 64, 56, 56), (2, 192, 57, 55)])
def test_many_blocks_give_torchs_values_and_gradients(
    shape: tuple[int, ...], channels_last: bool, monkeypatch: pytest.MonkeyPatch, local_response_norm: Norm
) -> None:
    monkeypatch.setattr(module, "_BLOCK", 1 << 18)
    x = _images(shape, channels_last).requires_grad_()
    assert x.numel() > 2 * module._BLOCK
    arriving = torch.randn(shape, generator=torch.Generator().manual_seed(2))  # in the other memory format
    y, expected = local_response_norm(x, 5, 1e-2, 0.75, 1.0), functional.local_response_norm(x, 5, 1e-2, 0.75, 1.0)
    torch.testing.assert_close(y, expected, rtol=1e-6, atol=0)
    (gradient,) = torch.autograd.grad(y, x, arriving)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, x, arriving)[0], rtol=1e-5, atol=1e-6)
    assert gradient.stride() == x.stride()


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("divided", [False, True])
@pytest.mark.parametrize(("size", "beta"), [(5, 0.75), (4, 0.5), (11, 0.3), (1, 0.75)])
def test_gradient_by_finite_differences(
    size: int, beta: float, divided: bool, channels_last: bool, local_response_norm: Norm
) -> None:
    x = _images((2, 7, 3, 2), channels_last, torch.float64, scale=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: local_response_norm(x, size, 0.3, beta, 1.5, divided), (x,))


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(("size", "beta"), [(5, 0.75), (4, 0.5)])
def test_rectified_is_a_relu_before(size: int, beta: float, channels_last: bool, local_response_norm: Norm) -> None:
    ours = _images((3, 21, 5, 7), channels_last)
    ours[0, :3] = 0.0
    ours.requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    y = local_response_norm(ours, size, 1e-2, beta, 1.0, rectified=True)
    expected = functional.local_response_norm(functional.relu(theirs), size, 1e-2, beta, 1.0)
    torch.testing.assert_close(y, expected, rtol=1e-6, atol=0)
    arriving = torch.randn(y.shape, generator=torch.Generator().manual_seed(2))
    y.backward(arriving)
    expected.backward(arriving)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-6)
    assert torch.equal(ours.grad == 0, theirs.grad == 0)


@pytest.mark.parametrize("rectified", [False, True])
def test_what_is_not_a_number_is_neither_hidden_nor_spread_to_other_pixels(
    rectified: bool, local_response_norm: Norm
) -> None:
    x = _images((1, 9, 2, 3), True).abs()
    x[0, 8, 0, 1] = torch.nan
    x.requires_grad_()
    y = local_response_norm(x, 5, 1e-2, 0.75, 1.0, rectified=rectified)
    assert y.isnan().nonzero().tolist() == [[0, channel, 0, 1] for channel in (6, 7, 8)]
    y.sum().backward()
    assert x.grad.isnan().nonzero()[:, 2:].unique(dim=0).tolist() == [[0, 1]]


def test_what_is_infinite_or_huge_is_divided_by_something_large(local_response_norm: Norm) -> None:
    x = torch.tensor([1e30, 1e15, 1.0]).view(1, 3, 1, 1)
    y = local_response_norm(x, 1, 1.0, 0.75, 1.0).ravel()
    assert y[1] == pytest.approx(1e15**-0.5, rel=1e-5)
    assert y.isfinite().all()


@pytest.mark.parametrize(("dtype", "step"), [(torch.bfloat16, 2.0**-8), (torch.half, 2.0**-11)])
def test_short_types_are_summed_in_float32(dtype: torch.dtype, step: float, local_response_norm: Norm) -> None:
    x = _images((2, 64, 7, 7), True, dtype, scale=50).requires_grad_()
    wide = x.detach().float().requires_grad_()
    y, exact = local_response_norm(x, 5, 1e-2, 0.75, 1.0), functional.local_response_norm(wide, 5, 1e-2, 0.75, 1.0)
    assert y.dtype == dtype
    torch.testing.assert_close(y.float(), exact, rtol=step, atol=0)  # nothing is rounded but the result
    arriving = torch.ones_like(y)
    (gradient,) = torch.autograd.grad(y, x, arriving)
    (expected,) = torch.autograd.grad(exact, wide, arriving.float())
    assert gradient.dtype == dtype
    torch.testing.assert_close(gradient.float(), expected, rtol=step, atol=1e-6)


@pytest.mark.parametrize("shape", [(0, 6, 2, 2), (3, 6), (3, 6, 4), (2, 6, 2, 3, 2)])
def test_other_ranks(shape: tuple[int, ...], local_response_norm: Norm) -> None:
    x = _images(shape, False)
    y = local_response_norm(x, 5, 1e-2, 0.75, 1.0)
    assert y.shape == x.shape
    torch.testing.assert_close(y, functional.local_response_norm(x.view(*shape, 1), 5, 1e-2, 0.75, 1.0).view(shape))


def test_a_view_with_gaps_is_read_rightly(local_response_norm: Norm) -> None:
    x = _images((2, 12, 6, 6), True)[:, 2:9, ::2]
    y = local_response_norm(x, 5, 1e-2, 0.75, 1.0)
    torch.testing.assert_close(y, functional.local_response_norm(x, 5, 1e-2, 0.75, 1.0), rtol=1e-6, atol=0)


def test_a_window_wider_than_the_map_takes_all_its_channels(local_response_norm: Norm) -> None:
    x = _images((2, 7, 3, 3), True).requires_grad_()
    found, expected = (local_response_norm(x, size, 1.0 / 50, 0.75, 1.0, divided=False) for size in (1 << 40, 15))
    assert torch.equal(found, expected)
    total = x.square().sum(1, keepdim=True)
    torch.testing.assert_close(found, x * (1 + total / 50) ** -0.75, rtol=1e-5, atol=0)
    gradients = [torch.autograd.grad(y, x, torch.ones_like(y))[0] for y in (found, expected)]
    assert torch.equal(*gradients)


@pytest.mark.parametrize(("shape", "size"), [((3,), 5), ((2, 6, 3, 3), 0), ((2, 6, 3, 3), -1)])
def test_what_is_no_normalisation_is_refused(shape: tuple[int, ...], size: int, local_response_norm: Norm) -> None:
    with pytest.raises(ValueError, match=r"\[N, C, ...\] over 1 or more"):
        local_response_norm(torch.zeros(shape), size, 1.0, 0.75, 1.0)


def test_layer_says_its_constants_and_applies_them(form: str, local_response_norm: Norm) -> None:
    layer = LocalResponseNorm(size=11, alpha=1e-4, beta=0.5, k=2.0, divided=False)
    set_form(layer, form)
    x = _images((1, 16, 2, 2), False)
    assert torch.equal(layer(x), local_response_norm(x, 11, 1e-4, 0.5, 2.0, divided=False))
    assert "size=11, alpha=0.0001, beta=0.5, k=2.0, divided=False" in repr(layer)


def test_the_forms_agree_to_rounding_and_fused_is_really_used(form: str, local_response_norm: Norm) -> None:
    x = _images((2, 64, 17, 9), True)
    blocks = module.local_response_norm(x, 5, 1e-3, 0.75, 1.0)
    again = local_response_norm(x, 5, 1e-3, 0.75, 1.0)
    torch.testing.assert_close(again, blocks, rtol=1e-6, atol=0)
    assert torch.equal(again, blocks) == (form == "blocks")


def test_the_form_is_each_layers_own(form: str) -> None:
    layers = [LocalResponseNorm(5, 1e-3, 0.75, 1.0) for _ in range(2)]
    set_form(layers[0], form)
    assert [layer.form for layer in layers] == [form, "blocks"]
    assert copy.deepcopy(layers[0]).form == form


@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize("channels_last", [False, True])
def test_torch_finds_no_fault_in_the_operators(channels_last: bool, rectified: bool, form: str) -> None:
    """Schema, what compilers are told of the results, and the gradient, as torch's own checks see them."""
    x = _images((2, 9, 5, 4), channels_last).requires_grad_()
    constants = (5, 1e-2, 0.75, 1.0, rectified, form)
    torch.library.opcheck(module._normalised, (x, *constants))
    checks = ("test_schema", "test_faketensor")  # it has no gradient of its own
    torch.library.opcheck(module._gradient, (torch.ones_like(x), x.detach(), *constants), test_utils=checks)


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_layer_can_be_compiled_whole_with_its_gradient(dynamic: bool, form: str) -> None:
    layer = LocalResponseNorm(4, 1e-2, 0.75, 1.0)
    set_form(layer, form)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True, dynamic=dynamic)
    x, again = (_images((2, 9, 5, 4), True).requires_grad_() for _ in range(2))
    y, expected = compiled(x), layer(again)
    torch.testing.assert_close(y, expected)
    y.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(x.grad, again.grad)


def test_a_layer_can_be_exported(form: str) -> None:
    layer = LocalResponseNorm(4, 1e-2, 0.75, 1.0)
    set_form(layer, form)
    x = _images((2, 9, 5, 4), True)
    program = torch.export.export(layer, (x,), dynamic_shapes=({0: torch.export.Dim("images", max=64)},))
    again = torch.cat([x, -x, x])
    torch.testing.assert_close(program.module()(again), layer(again))
    assert any("googlenet" in str(node.target) for node in program.graph.nodes) == (form == "fused")


def test_the_fastest_form_is_what_it_is_told(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLENET_FORMS", f"local-response-norm={form}")
    choice = fastest_form()
    assert (choice.form, choice.ground) == (form, "told")


def test_unknown_form_is_refused() -> None:
    with pytest.raises(InputError, match="no form 'fast'; use blocks or fused"):
        set_form(LocalResponseNorm(4, 1e-2, 0.75, 1.0), "fast")


def test_fused_without_kernels_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "library", lambda: None)
    with pytest.raises(InputError, match=r"fused needs the kernels \(.*\); use blocks"):
        set_form(LocalResponseNorm(4, 1e-2, 0.75, 1.0), "fused")


@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize("size", [4, 5])
def test_the_gradient_can_be_differentiated(size, rectified):
    x = torch.randn(2, 6, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    norm = partial(module.local_response_norm, size=size, alpha=0.7, beta=0.75, k=1.0, rectified=rectified)
    assert torch.autograd.gradgradcheck(norm, x)


def test_a_gradient_to_be_differentiated_is_that_of_the_kernels(form):
    x = torch.randn(2, 8, 5, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    y = module.local_response_norm(x, 5, 0.7, 0.75, 1.0, form="blocks" if form == "blocks" else "fused")
    g = torch.randn_like(y)
    (plain,) = torch.autograd.grad(y, x, g, retain_graph=True)
    (again,) = torch.autograd.grad(y, x, g, create_graph=True)
    torch.testing.assert_close(again, plain)
    assert again.requires_grad
