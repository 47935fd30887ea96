"""Reports as one HTML file: no script, no network, pictures inside, readable in light, dark and print."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from googlenet.reporting.console import cell_text, is_numeric, percent

__all__ = [
    *["Bar", "ClassScore", "ConfidenceBin", "Confusion", "Figure", "Illustration", "Notable", "Table", "between"],
    *["render", "share"],
]


@dataclass(frozen=True)
class Figure:
    """A result in a few characters, with the interval it is known to, and a short note."""

    name: str
    value: str
    interval: str = ""
    note: str = ""


@dataclass(frozen=True)
class Bar:
    """A share between 0 and 1 as a cell of a table: in percent, and drawn from 0 to 100 % with its 95 % interval."""

    share: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Notable:
    """A cell of a table that stands out."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Table:
    """Rows of cells below headers. Numbers are right-aligned and written with thousand separators.

    The first `heads` cells of a row are its name. `groups` stand above the headers, each over so many of them.
    """

    headers: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str = ""
    groups: Sequence[tuple[str, int]] = ()
    heads: int = 0


@dataclass(frozen=True)
class Illustration:
    """A picture as a `data:` address (`pictures.data_uri`, `pictures.file_uri`), with what it shows in words.

    `description` is for people who do not see it, where the caption does not say what kind of picture it is. A chart
    that is `half` has half the width of the page, as each of two beside each other has.
    """

    source: str
    caption: str
    correct: bool | None = None
    description: str = ""
    half: bool = False


@dataclass(frozen=True)
class ConfidenceBin:
    """The images whose most probable class had a probability in (low, high]: their mean `confidence` and the share
    that was `right`, with its 95 % interval; None without images."""

    low: float
    high: float
    images: int
    confidence: float | None
    right: float | None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class ClassScore:
    """How a class did: of its `images`, `right` were recognised; `answers` are all images that were taken for it.

    `interval` is the 95 % interval of the recall, where there are images.
    """

    name: str
    right: int
    images: int
    answers: int
    interval: tuple[float, float] | None = None

    @property
    def recall(self) -> float | None:
        """The share of the class's images that were recognised; None without images."""
        return self.right / self.images if self.images else None

    @property
    def precision(self) -> float | None:
        """The share of the answers of this class that were right; None where it was never answered."""
        return self.right / self.answers if self.answers else None


@dataclass(frozen=True)
class Confusion:
    """Who was taken for whom: `counts` are (truth, answer, images) by the places of the classes in `names`."""

    names: Sequence[str]
    counts: Sequence[tuple[int, int, int]]

    @property
    def matrix(self) -> list[list[int]]:
        """Images, a row for each true class and a column for each answer."""
        rows = [[0] * len(self.names) for _ in self.names]
        for truth, answer, images in self.counts:
            rows[truth][answer] = images
        return rows

    @property
    def shares(self) -> list[tuple[int, int, int, float]]:
        """Truth, answer, images, and their share of the truth's: `counts` with the share."""
        of_truth: Counter[int] = Counter()
        for truth, _, images in self.counts:
            of_truth[truth] += images
        return [(truth, answer, n, n / of_truth[truth]) for truth, answer, n in self.counts]

    @property
    def pairs(self) -> list[tuple[str, str, int, float]]:
        """Truth, the other class that was answered, images, and their share of the truth's; the most frequent first."""
        wrong = [pair for pair in self.shares if pair[0] != pair[1]]
        wrong.sort(key=lambda pair: (-pair[2], -pair[3]))
        return [(self.names[truth], self.names[answer], n, part) for truth, answer, n, part in wrong]


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
    settings: Mapping[str, object] = MappingProxyType({}),
    versions: Mapping[str, object] = MappingProxyType({}),
    hardware: Mapping[str, object] = MappingProxyType({}),
    **more: object,
) -> str:
    """Return a page made of one of the templates, every value escaped.

    `page.html` shows any result, leaving out what is not given; `pictures` are by heading. `training.html` also shows,
    and asks for, `classes` (a sequence of `ClassScore`), `confusion` (a `Confusion` or None; above 50 classes its most
    frequent pairs are listed) and `mistakes` (of `Illustration`). `evaluation.html` asks for these and for what
    `evaluation.report` gives it. Raises `jinja2.UndefinedError` where a value that a template asks for is not given.
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
    environment.filters.update(between=between, percent=percent, anchor=_anchor, contents=_contents)
    environment.globals.update(text_table=_text_table)
    environment.tests.update(bar=lambda cell: isinstance(cell, Bar), notable=lambda cell: isinstance(cell, Notable))
    return environment


def _text_table(table: Table) -> dict[str, list[list[str | Bar]] | list[bool]]:
    """Return the cells of a table as text (and bars), and for each column whether it is one of numbers or ranges."""
    rows = [
        [value if isinstance(value, Bar) else cell_text(value, separators=True) for value in row] for row in table.rows
    ]
    columns = [[cell for row in rows if isinstance(cell := row[index], str)] for index in range(len(table.headers))]
    of_numbers = [is_numeric([part for cell in column for part in cell.split(" to ")]) for column in columns]
    return {"rows": rows, "right": of_numbers}


def _anchor(heading: str) -> str:
    """Return the id of a section."""
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-") or "section"


def _contents(page: str) -> list[tuple[str, Markup]]:
    """Return id and heading of each section of a part of a page."""
    return [(anchor, Markup(heading)) for anchor, heading in re.findall(r'<h2 id="([^"]*)">(.*?)</h2>', page)]
