"""Words and tables: stderr is the talk, stdout is the result."""

import codecs
import io
import json
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from numbers import Integral, Real

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = [
    *["cell_text", "data_on_stdout", "duration", "is_numeric", "json_line", "number", "percent", "printable", "say"],
    *["scaled", "table", "warn"],
]


def say(message: str) -> None:
    """Print one line on stderr, as it is: nothing in it is markup, begins a line or can steer the terminal."""
    _talk(Text(printable(message)))


def warn(message: str) -> None:
    """Print `warning: message` as one line on stderr, coloured where that is possible."""
    _talk(Text("warning: ", style="bold yellow").append(printable(message), style="not bold default"))


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], *, separators: bool = False) -> str:
    """Return a table to print on stdout, with no newline at its end.

    On a terminal it is drawn for reading. Elsewhere each row is one line whose cells are padded to align and separated
    by tabs, so that `grep`, `sort` and `cut -f2` work. Columns of numbers (also as text: "71.3 %", "6.4K") are
    right-aligned; `separators` writes 1234567 as 1,234,567; None is shown as "-".
    Raises `ValueError` where a row has not as many cells as there are headers.
    """
    cells = [[cell_text(value, separators=separators) for value in row] for row in rows]
    for index, row in enumerate(cells):
        if len(row) != len(headers):
            raise ValueError(f"row {index} of the table has {len(row)} cells for {len(headers)} headers")
    right = [is_numeric([row[column] for row in cells]) for column in range(len(headers))]
    names = [printable(header) for header in headers]
    text = _drawn_table(names, cells, right) if sys.stdout.isatty() else _plain_table(names, cells, right)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def number(value: float, *, separators: bool = True) -> str:
    """Return a number as people read it: integers whole, others with three decimals where that says something."""
    if isinstance(value, Integral):
        text = f"{int(value):,}"
    elif value == 0 or 0.001 <= abs(value) < 1000:
        text = f"{value:.3f}"
    elif 1000 <= abs(value) < 1e9:
        text = f"{value:,.1f}"
    else:
        text = f"{value:.2e}"
    return text if separators else text.replace(",", "")


def percent(share: float, decimals: int = 1) -> str:
    """Return a share between 0 and 1 as a percentage: 0.713 is "71.3 %"."""
    return f"{100 * share:.{decimals}f} %"


def scaled(count: float, unit: str = "") -> str:
    """Return a count with the letter of its size: "1.43 G", and of bytes "20.1 MB"."""
    for letter, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("K", 1e3)):
        if count >= 0.9995 * size:
            return f"{count / size:.3g} {letter}{unit}"
    return f"{count:.3g} {unit}".rstrip()


def duration(seconds: float) -> str:
    """Return a time in words with its two largest units: 4.2 s, 38 s, 2 min 03 s, 5 h 07 min, 3 d 04 h."""
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24:02d} h"


def cell_text(value: object, *, separators: bool) -> str:
    """Return what a table shows for `value`."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Real):
        return number(int(value) if isinstance(value, Integral) else float(value), separators=separators)
    return printable(str(value))


def is_numeric(column: Sequence[str]) -> bool:
    """Whether all cells of a column that say something are numbers, perhaps with a unit."""
    told = [cell for cell in column if cell not in ("", "-")]
    return bool(told) and all(_NUMBER.fullmatch(cell) for cell in told)


def printable(text: str) -> str:
    """Return `text` with what could steer a terminal, break a row or not be encoded written as an escape.

    File and class names come from strangers.
    """
    return "".join(character if character.isprintable() else _escape(character) for character in text)


def data_on_stdout() -> None:
    """Make stdout carry data: UTF-8 whatever the terminal speaks, and bytes of names that are no UTF-8 as they are.

    Half a surrogate pair, as a name in a JSON file may be, has no bytes: it is written as Python's escape (`\\ud800`).
    """
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:  # a notebook's stdout has none
        codecs.register_error("googlenet.names", _name_bytes)
        reconfigure(encoding="utf-8", errors="googlenet.names")


def _name_bytes(error: UnicodeError) -> tuple[str | bytes, int]:
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.backslashreplace_errors(error)


def json_line(value: object) -> str:
    """Return a value as one line of JSON for stdout, whose strings are the real ones, whatever characters they hold.

    What cannot be printed, or what stdout's encoding lacks, is written as JSON's own escape (`\\u202f`), which a reader
    turns back. A byte of a file name that is no UTF-8 is such an escape too, of Python's `\\udc80` to `\\udcff`.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"

    def carried(character: str) -> str:
        try:
            character.encode(encoding)
        except UnicodeEncodeError:
            return json.dumps(character)[1:-1]
        return character if character.isprintable() else json.dumps(character)[1:-1]

    text = json.dumps(value, ensure_ascii=False)
    return text if text.isascii() and text.isprintable() else "".join(map(carried, text))


# A number, perhaps with a unit: glued to it (6.4K, 70%) or after a space (71.3 %, 12 ms, 97 images/s).
_NUMBER = re.compile(r"[-+±−<]?\d[\d,]*(\.\d+)?(e[-+]?\d+)?([KMGTx%]| \S+)?|nan|-?inf")


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _talk(text: Text) -> None:
    """Write through today's `sys.stderr`: a live progress line puts itself there to move out of the way."""
    page = Console(file=io.StringIO(), force_terminal=sys.stderr.isatty(), force_jupyter=False)
    with page.capture() as capture:
        page.print(text, soft_wrap=True)
    with suppress(OSError):  # a log on a full disk, a terminal that is gone: the work goes on
        sys.stderr.write(capture.get())
        sys.stderr.flush()


def _drawn_table(headers: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    drawing = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for header, is_number in zip(headers, right, strict=True):
        drawing.add_column(
            Text(header), justify="right" if is_number else "left", no_wrap=is_number, overflow="ellipsis"
        )
    for row in rows:
        drawing.add_row(*(Text(cell) for cell in row))
    page = Console(file=sys.stdout, force_terminal=True, force_jupyter=False)
    with page.capture() as capture:
        page.print(drawing)
    return capture.get().strip("\n")


def _plain_table(headers: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    lines = [headers, *rows]
    widths = [max(cell_len(line[column]) for line in lines) for column in range(len(headers))]
    padded = ([_pad(*cell) for cell in zip(line, widths, right, strict=True)] for line in lines)
    return "\n".join("\t".join(line).rstrip(" ") for line in padded)


def _pad(cell: str, width: int, right: bool) -> str:
    space = " " * (width - cell_len(cell))
    return space + cell if right else cell + space
