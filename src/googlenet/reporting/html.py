"""Reports as one HTML file: no script, no network, pictures inside, readable in light, dark and print."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from jinja2 import Environment, PackageLoader, StrictUndefined

from googlenet.reporting.console import cell_text, is_numeric, percent

__all__ = ["Figure", "Illustration", "Recall", "Table", "render", "share"]


@dataclass(frozen=True)
class Figure:
    """A result in a few characters, with the interval it is known to, and a short note."""

    name: str
    value: str
    interval: str = ""
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells below headers. Numbers are right-aligned and written with thousand separators."""

    headers: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str = ""


@dataclass(frozen=True)
class Illustration:
    """A picture as a `data:` address (`pictures.data_uri`, `pictures.file_uri`), with what it shows in words."""

    source: str
    caption: str
    correct: bool | None = None


@dataclass(frozen=True)
class Recall:
    """How many of a class's images were recognised: `recall` is right / images, None where there are no images.

    `interval` is the 95 % interval of `recall`.
    """

    name: str
    right: int
    images: int
    recall: float | None
    interval: tuple[float, float] | None = None


def share(name: str, value: float, interval: tuple[float, float] | None = None, note: str = "") -> Figure:
    """Return the figure of a share between 0 and 1, in percent, with its 95 % interval."""
    return Figure(name, percent(value), f"95 % interval {between(interval)}" if interval else "", note)


def between(interval: tuple[float, float]) -> str:
    """Return an interval of shares as "68.2 to 74.1 %"."""
    return f"{100 * interval[0]:.1f} to {percent(interval[1])}"


def render(
    template: str,
    *,
    title: str,
    subtitle: str = "",
    figures: Sequence[Figure] = (),
    charts: Sequence[Illustration] = (),
    tables: Sequence[Table] = (),
    pictures: Mapping[str, Sequence[Illustration]] = MappingProxyType({}),
    command: str = "",
    recipe: Mapping[str, object] = MappingProxyType({}),
    versions: Mapping[str, object] = MappingProxyType({}),
    hardware: Mapping[str, object] = MappingProxyType({}),
    **more: object,
) -> str:
    """Return a page made of one of the templates, every value escaped.

    `page.html` shows any result, leaving out what is not given; `pictures` are by heading. `training.html` also shows,
    and asks for, `recalls` (a sequence of `Recall`) and `mistakes` (of `Illustration`). Raises
    `jinja2.UndefinedError` where a value that a template asks for is not given.
    """
    given = {name: value for name, value in locals().items() if name not in ("template", "more")}
    page = _environment().get_template(template).render(given | more)
    return page.encode("utf-8", "backslashreplace").decode()  # a file's name may hold what is no character


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("googlenet.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(between=between, percent=percent)
    environment.globals.update(text_table=_text_table)
    return environment


def _text_table(table: Table) -> dict[str, list[list[str]] | list[bool]]:
    """Return the cells of a table as text, and for each column whether it is one of numbers."""
    rows = [[cell_text(value, separators=True) for value in row] for row in table.rows]
    columns = [[row[index] for row in rows] for index in range(len(table.headers))]
    return {"rows": rows, "right": [is_numeric(column) for column in columns]}
