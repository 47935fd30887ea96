"""Frozen dataclasses to plain JSON values and back, strictly.

One rule for every record that is written to a file (specifications, recipes, protocols): a field is a number, a text, a
truth value, None, a tuple, or another record; where several records are possible, JSON says which by `kind`, or is of
the one that has none. Reading refuses what is unknown, missing or of another type, and names the place.
"""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Collection
from functools import cache
from typing import Any, NoReturn, TypeVar

from googlenet.errors import InputError, shown

__all__ = ["decode", "encode", "parse_json", "without_repetition"]

Record = TypeVar("Record")


def encode(value: Any) -> Any:
    """Return `value` (a record, or what a record's field may hold) as JSON values.

    Every one is written, since another release may have other defaults.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields: dict[str, Any] = {}
        if _kind(type(value)):
            fields["kind"] = _kind(type(value))
        for field in dataclasses.fields(value):
            fields[field.name] = encode(getattr(value, field.name))
        return fields
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    return value


def decode(record: type[Record], value: Any, where: str) -> Record:
    """Build a `record` from JSON values; raises `InputError` that begins with `where`, the place in the file."""
    if not isinstance(value, dict):
        raise InputError(f"{where}: expected an object, found {_short(value)}")
    where = f"{where} '{shown(value['name'])}'" if isinstance(value.get("name"), str) else where
    hints = _hints(typing.cast(Any, record))
    fields = {field.name: field for field in dataclasses.fields(record) if field.init}  # type: ignore[arg-type]
    given = {key: content for key, content in value.items() if not (key == "kind" and _kind(record))}
    unknown = sorted(given.keys() - fields.keys())
    if unknown:
        raise InputError(f"{where}: unknown field '{shown(unknown[0])}' (known: {', '.join(fields)})")
    for field in fields.values():
        if field.name not in given and _required(field):
            raise InputError(f"{where}: field '{field.name}' is missing")
    content = {key: _read(hints[key], item, f"{where}: {key}") for key, item in given.items()}
    try:
        return record(**content)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def parse_json(text: str | bytes, where: str, leave_out: Collection[str] = ()) -> Any:
    """Return what a JSON text says; raises `InputError` that begins with `where`, the file or line.

    A name that stands twice in an object, and numbers that JSON does not have (NaN, Infinity), are refused. Values of
    the names `leave_out` are dropped while the text is read, so that they take no memory.
    """

    def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = without_repetition(pairs)
        for name in leave_out:
            found.pop(name, None)
        return found

    try:
        return json.loads(text, object_pairs_hook=object_of, parse_constant=_refuse_constant)
    except InputError as error:
        raise InputError(f"{where}: {error}; keep one of them") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON ({error}); mend it") from None


def without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object (`object_pairs_hook`); raises `InputError` where a name stands in it twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InputError(f"'{shown(twice)}' is there twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is none of its numbers")


@cache
def _hints(record: Any) -> dict[str, Any]:
    return typing.get_type_hints(record)  # takes long, and a file may hold thousands of records


def _read(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _read_union(arguments, value, where)
    if origin is typing.Literal:
        if value not in arguments or isinstance(value, bool):
            raise InputError(f"{where}: {_short(value)} is none of {', '.join(map(repr, arguments))}")
        return value
    if origin is tuple:
        return _read_tuple(arguments, value, where)
    if dataclasses.is_dataclass(hint):
        return decode(typing.cast(type[Any], hint), value, where)
    if hint is float and type(value) is int and abs(value) < _LARGEST:
        value = float(value)
    if type(value) is not hint or (hint is float and not math.isfinite(value)):
        raise InputError(f"{where}: expected {_NAMES.get(hint, hint)}, found {_short(value)}")
    return value


def _read_union(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in choices:
        return None
    choices = tuple(choice for choice in choices if choice is not type(None))
    if len(choices) == 1:
        return _read(choices[0], value, where)
    kinds = {_kind(choice): choice for choice in choices}
    if not isinstance(value, dict):
        raise InputError(f"{where}: expected an object, found {_short(value)}")
    kind = value.get("kind")
    if not isinstance(kind, str | None) or kind not in kinds:
        where = f"{where} '{shown(str(value['name']))}'" if isinstance(value, dict) and "name" in value else where
        raise InputError(f"{where}: kind {_short(kind)} is none of {', '.join(filter(None, kinds))}")
    return decode(kinds[kind], value, where)


def _read_tuple(arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise InputError(f"{where}: expected a list, found {_short(value)}")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_read(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if len(value) != len(arguments):
        raise InputError(f"{where}: expected {len(arguments)} values, found {len(value)}")
    return tuple(
        _read(hint, item, f"{where}[{i}]") for i, (hint, item) in enumerate(zip(arguments, value, strict=True))
    )


_LARGEST = 1 << 1023
"""From here on whole numbers may have no float."""

_NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def _kind(record: Any) -> str | None:
    return getattr(record, "kind", None)


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
