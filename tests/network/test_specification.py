import json
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from googlenet.errors import InputError
from googlenet.network.specification import Classifier, Convolution, MaxPool, Specification
from googlenet.network.zoo import NETWORKS, specification


@pytest.mark.parametrize("name", NETWORKS)
def test_json_loses_nothing(name):
    network = specification(name)
    assert Specification.from_json(network.to_json()) == network


def changed(**changes):
    """googlenet-tiny as JSON text with other top-level fields."""
    value = json.loads(specification("googlenet-tiny").to_json())
    return json.dumps({key: item for key, item in (value | changes).items() if item is not ...})


def with_row(row_name, /, **changes):
    value = json.loads(specification("googlenet-tiny").to_json())
    rows = [row | changes if row["name"] == row_name else row for row in value["rows"]]
    return changed(rows=[{key: item for key, item in row.items() if item is not ...} for row in rows])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("3", "the version is missing"),
        (changed(version=...), "the version is missing"),
        (changed(version=99), "version 99 is not known"),
        (changed(colour="red"), "unknown field 'colour'"),
        (changed(rows=...), "field 'rows' is missing"),
        (changed(input=[3, 32]), "input: expected 3 values, found 2"),
        (changed(input=[1, 32, 32]), "input has 1 channels"),
        (changed(input=[3, 65536, 65536]), "conv1/3x3: up to here over 1,073,741,824 numbers an image"),
        (
            changed(classifier={"classes": 10, "hidden": [65536, 65536]}),
            r"classifier/fc2: up to here over 4,294,967,296 weights",
        ),
        (changed(input=[3, 4, 4]), "auxiliary_4a/pool: the grid shrinks below 1"),
        (with_row("conv1", colour="red"), "'conv1': unknown field 'colour'"),
        (with_row("conv1", channels=...), "'conv1': field 'channels' is missing"),
        (with_row("conv1", channels="64"), "'conv1': channels: expected a whole number, found '64'"),
        (with_row("conv1", channels=0), "conv1: channels, kernel and stride must be between 1"),
        (with_row("conv1", kind="convolutoin"), "'conv1': kind 'convolutoin' is none of convolution, "),
        (with_row("conv1", name="pool1"), "row 'pool1': the name is there twice"),
        (with_row("conv1", name="a.b"), "row 'a.b': a name is made of letters"),
        (with_row("conv1", name="input"), "row 'input': the name is reserved"),
        (with_row("pool1", rounding="up"), "'pool1': rounding: 'up' is none of 'ceil', 'floor', 'same'"),
        (with_row("pool1", padding=2), "pool1: a padding of 2 is not within half of the 3x3 window"),
        (with_row("norm1", k=0), "norm1: k must be above 0"),
        (with_row("dropout", rate=1.0), "dropout: a dropout rate of 1.0 is not within"),
        (with_row("inception_3a", n1x1=-1), "inception_3a: n1x1, n3x3, n5x5 and kernel_5x5 must be between 1"),
        (with_row("inception_3a", n1x1=10**12), "inception_3a: .* must be between 1 and 65536"),
        (changed(auxiliary=[{"name": "head", "after": "inception_9z"}]), "head: there is no row 'inception_9z'"),
        (changed(pixels={"scale": [1, 0, 1]}), "pixels: white and scale must not be zero"),
    ],
)
def test_a_bad_specification_is_refused_with_the_rows_name(text, complaint):
    with pytest.raises(InputError, match=complaint) as caught:
        Specification.from_json(text)
    assert "\n" not in str(caught.value)


def test_a_head_whose_pool_does_not_fit_is_named():
    tiny = specification("googlenet-tiny")
    with pytest.raises(InputError, match="auxiliary_4a/pool: the grid shrinks below 1"):
        replace(tiny, input=(3, 16, 16), rows=tiny.rows[:9], auxiliary=tiny.auxiliary[:1])


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(st.sampled_from(["rows", "name", "kind", "classifier", "input", "channels"]), x)
        ),
    )
)
def test_any_json_gives_a_specification_or_one_line(value):
    with pytest.raises(InputError) as caught:
        Specification.from_json(json.dumps({"version": 1} | (value if isinstance(value, dict) else {"rows": value})))
    assert "\n" not in str(caught.value)


def test_row_order_is_the_order_of_computation():
    network = Specification("two", (Convolution("a", 8, 3), MaxPool("b", 2, 2)), Classifier(2), input=(3, 8, 8))
    assert [row.name for row in network.rows] == ["a", "b"]


def test_describing_networks_needs_no_torch():
    program = "import sys; import googlenet.network.zoo, googlenet.weights.classes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_numbers_that_are_none_are_refused():
    network = specification("googlenet")
    lrn = replace(next(row for row in network.rows if row.name == "norm1"), beta=float("nan"))
    with pytest.raises(InputError, match="norm1: nan is not a finite number"):
        replace(network, rows=tuple(lrn if row.name == "norm1" else row for row in network.rows))
    with pytest.raises(InputError, match="pixels: inf is not a finite number"):
        replace(network, pixels=replace(network.pixels, mean=(float("inf"), 0.0, 0.0)))
    with pytest.raises(InputError, match=r"pixels: 10*[.]{3} is not a finite number"):
        replace(network, pixels=replace(network.pixels, mean=(10**400, 0.0, 0.0)))
    with pytest.raises(InputError, match=r"conv: .*expected whole numbers, found 8.0"):
        replace(network, rows=(Convolution("conv", 8.0, 3), *network.rows[1:]))


def test_a_row_that_is_no_object_is_named():
    value = json.loads(specification("googlenet").to_json())
    value["rows"][14] = 1.5
    with pytest.raises(InputError, match=r"rows\[14\]: expected an object, found 1.5"):
        Specification.from_json(json.dumps(value))
