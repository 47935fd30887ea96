"""Specifications made to harm: refused in one line, soon, or computed by torch with the shapes that they promise."""

import json
import time
import tracemalloc

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from googlenet.errors import InputError
from googlenet.network.graph import expand, pool_padding, pool_size
from googlenet.network.module import Network
from googlenet.network.specification import MOST_ACTIVATIONS, AveragePool, MaxPool, Specification
from googlenet.network.zoo import specification


def changed(row=None, value=None, /, **changes):
    """googlenet as JSON text with other fields, of one row where it is named."""
    content = json.loads(specification("googlenet").to_json()) | changes
    content["rows"] = [item | value if item["name"] == row else item for item in content["rows"]]
    return json.dumps(content)


def rows(*content):
    return changed(rows=list(content), auxiliary=[])


def convolution(number, **content):
    return {"kind": "convolution", "name": f"c{number}", "channels": 1, "kernel": 1} | content


HOSTILE = {
    "a huge input": changed(input=[3, 65536, 65536]),
    "a long input": changed(input=[3, 65536, 8192]),
    "channels": changed("inception_3a", {"n3x3_reduce": 65536, "n3x3": 65536}),
    "kernels": rows(convolution(1, kernel=65536, channels=65536)),
    "reductions": changed("conv2", {"reduce": 65536, "channels": 65536}),
    "multiplied channels": rows(
        {"kind": "separable-convolution", "name": "s", "channels": 1, "kernel": 1, "multiplier": 65536},
        {"kind": "separable-convolution", "name": "t", "channels": 65536, "kernel": 3, "multiplier": 65536},
    ),
    "a large adaptive pool": rows({"kind": "adaptive-average-pool", "name": "p", "size": 65536}),
    "many wide rows": rows(*(convolution(number, channels=40) for number in range(999))),
    "classes": changed(classifier={"classes": 65536, "hidden": [65536, 65536]}),
    "hidden layers": changed(classifier={"classes": 2, "hidden": [65536] * 2}),
    "a head": changed(auxiliary=[{"name": "h", "after": "conv1", "channels": 65536, "hidden": [65536]}]),
}


@pytest.mark.parametrize("title", HOSTILE)
def test_what_would_take_all_memory_is_refused_soon(title):
    tracemalloc.start()
    start = time.process_time()
    try:
        with pytest.raises(InputError, match=r"up to here over [\d,]+ (weights|numbers an image), which is too many"):
            Specification.from_json(HOSTILE[title])
        assert time.process_time() - start < 2
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def test_the_limits_are_far_above_real_networks():
    numbers = sum(node.output[0] * node.output[1] * node.output[2] for node in expand(specification("googlenet")))
    assert numbers * 100 < MOST_ACTIVATIONS
    assert specification("googlenet", width=16.0).rows[0].channels == 1024
    assert specification("googlenet-wide", size=(1024, 1024)).input == (3, 1024, 1024)


@settings(max_examples=300, deadline=None)
@given(
    size=st.integers(1, 40) | st.sampled_from([223, 224, 65536]),
    kernel=st.integers(1, 9) | st.sampled_from([224, 65535]),
    stride=st.integers(1, 9) | st.sampled_from([100, 65536]),
    padding=st.integers(0, 4),
    rounding=st.sampled_from(["ceil", "floor", "same"]),
    maximum=st.booleans(),
)
def test_every_window_touches_the_map_and_torch_counts_as_many(size, kernel, stride, padding, rounding, maximum):
    padding = min(padding, kernel // 2) if maximum else 0
    pool = MaxPool("p", kernel, stride, padding, rounding) if maximum else AveragePool("p", kernel, stride, rounding)
    count = pool_size(size, pool)
    if count < 1:
        assert size + 2 * padding < kernel
        return
    before, after = pool_padding(size, pool)
    starts = [position * stride - before for position in (0, count - 1)]
    assert all(start < size and start + kernel > 0 for start in starts)
    if rounding != "same":
        x = torch.empty(1, 1, size, size, device="meta")
        options = {"ceil_mode": rounding == "ceil", "padding": padding}
        pooled = (torch.max_pool2d if maximum else torch.nn.functional.avg_pool2d)(x, kernel, stride, **options)
        assert pooled.shape[2] == count
    else:
        assert max(0, starts[1] + kernel - size) == after


NUMBERS = st.sampled_from([1, 2, 3, 4, 5, 7, 16, 64, 224, 1000, 65535, 65536, 65537, 0, -1])
SMALL = st.sampled_from([1, 2, 3, 5, 8])
ROUNDINGS = st.sampled_from(["ceil", "floor", "same"])
ROWS = st.one_of(
    st.fixed_dictionaries(
        {"kind": st.just("convolution"), "channels": NUMBERS, "kernel": SMALL | NUMBERS, "stride": SMALL | NUMBERS},
        optional={"reduce": NUMBERS},
    ),
    st.fixed_dictionaries(
        {"kind": st.just("separable-convolution"), "channels": SMALL, "kernel": SMALL, "stride": SMALL | NUMBERS},
        optional={"multiplier": NUMBERS, "depthwise_bias": st.booleans()},
    ),
    st.fixed_dictionaries(
        {"kind": st.just("max-pool"), "kernel": SMALL | NUMBERS, "stride": SMALL | NUMBERS, "rounding": ROUNDINGS},
        optional={"padding": SMALL},
    ),
    st.fixed_dictionaries(
        {"kind": st.just("average-pool"), "kernel": SMALL | NUMBERS, "stride": SMALL | NUMBERS, "rounding": ROUNDINGS}
    ),
    st.fixed_dictionaries({"kind": st.just("adaptive-average-pool"), "size": SMALL | NUMBERS}),
    st.fixed_dictionaries(
        {"kind": st.just("inception"), "n1x1": SMALL, "n3x3_reduce": SMALL, "n3x3": NUMBERS, "n5x5_reduce": SMALL,
         "n5x5": SMALL, "pool_proj": SMALL | NUMBERS},
        optional={"kernel_5x5": SMALL},
    ),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    content=st.lists(ROWS, min_size=1, max_size=6),
    size=st.tuples(*[st.sampled_from([1, 5, 32, 33, 224, 300, 65536])] * 2),
    style=st.sampled_from([{}, {"padding": "same"}, {"batch_norm": {}}]),
    hidden=st.lists(SMALL | NUMBERS, max_size=2),
)
def test_any_specification_is_refused_or_torch_gives_its_shapes(content, size, style, hidden):
    text = json.dumps(
        {
            "version": 1,
            "name": "any",
            "input": [3, *size],
            "rows": [row | {"name": f"row{number}"} for number, row in enumerate(content)],
            "classifier": {"classes": 2, "hidden": hidden},
            "convolution": style,
        }
    )
    start = time.process_time()
    network, complaint = None, ""
    try:
        network = Specification.from_json(text)
    except InputError as error:
        complaint = str(error)
    assert time.process_time() - start < 2
    if network is None:
        assert complaint.startswith("specification")
        assert "\n" not in complaint
        return
    with torch.device("meta"):
        module = Network(network).eval()
    found = {}
    for name in [row.name for row in network.rows]:
        module.get_submodule(name).register_forward_hook(
            lambda _, inputs, output, name=name: found.update({name: tuple(output.shape[1:])})
        )
    assert module(torch.empty(1, *network.input, device="meta")).shape == (1, 2)
    ends = {node.row: node.output for node in expand(network) if node.row in found}
    assert found == ends
