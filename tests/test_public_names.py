"""The public names: there, documented, typed, and the same for type checkers as for Python."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import googlenet

NAMES = [name for name in googlenet.__all__ if name != "__version__"]


def documented(thing: object, name: str) -> bool:
    """Whether somebody wrote its docstring; that of a dataclass may be made of its fields."""
    text = inspect.getdoc(thing)
    return bool(text) and not text.startswith(f"{name}(")


@pytest.mark.parametrize("name", NAMES)
def test_it_has_a_docstring_and_so_has_all_that_is_public_in_it(name):
    value = getattr(googlenet, name)
    assert documented(value, name)
    if inspect.isclass(value):
        own = {key: member for key, member in vars(value).items() if not key.startswith("_")}
        members = {key: member for key, member in own.items() if callable(member) or isinstance(member, property)}
        methods = {key: getattr(value, key) for key, member in own.items() if isinstance(member, classmethod)}
        assert [key for key, member in (members | methods).items() if not documented(member, key)] == []


@pytest.mark.parametrize("name", NAMES)
def test_it_is_typed(name):
    value = getattr(googlenet, name)
    members = {name: value} if inspect.isfunction(value) else vars(value)
    written = {key: m for key, m in members.items() if key == "__init__" or not key.startswith("_")}
    ours = (m for m in written.values() if inspect.isfunction(m) and m.__module__.startswith("googlenet."))
    for function in ours:  # a Protocol's `__init__` is Python's own
        signature = inspect.signature(function)
        bare = [p.name for p in signature.parameters.values() if p.annotation is p.empty and p.name != "self"]
        assert bare == [], function
        assert signature.return_annotation is not signature.empty, function


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(googlenet.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    imported = {
        alias.asname: f"{node.module}:{alias.name}"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    homes = {name: home if ":" in home else f"{home}:{name}" for name, home in googlenet._HOMES.items()}
    assert imported == homes


def test_a_name_that_is_not_there_is_an_attribute_error():
    assert set(NAMES) <= set(dir(googlenet))
    with pytest.raises(AttributeError, match=re.escape("module 'googlenet' has no attribute 'trian'")):
        googlenet.trian  # noqa: B018
