"""How far long work has come, on stderr: a live line on a terminal, a plain line every ten seconds elsewhere.

In a notebook the live line is an output of the cell that is drawn anew.
"""

import io
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from types import TracebackType
from typing import Any, Self, TextIO

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from googlenet.errors import counted
from googlenet.reporting.console import duration, number, percent, printable

__all__ = ["Progress"]

_WINDOW = 30.0  # seconds over which the rate is measured: long enough to be calm, short enough to be today's
_FIRST = 0.2  # seconds in which the first units come at once, as a batch: what they took is not known
_REDRAW = 0.1  # seconds between two drawings of the live line
_NARROWEST_BAR = 12


class Progress:
    """A `with` block around long work; `update` says what was done.

        with Progress("training", total=5000) as progress:
            for batch in batches:
                progress.update(len(batch), loss=0.52, **{"top-1": "71.3 %"})

    `description` may be set anew at any time. `start` is what an earlier run had done already: it counts towards
    `total`, not towards the rate; nor does what came before the first units were done (loading, measuring). Work of
    fewer than `threshold` units shows nothing unless it lasts over `interval` seconds. stdout is never touched; what
    others write to `sys.stderr` meanwhile appears above the live line. There is no thread: the line is redrawn by
    `update`, and the cursor is never left hidden.
    """

    def __init__(
        self,
        description: str,
        total: int | None = None,
        *,
        unit: str = "images",
        start: int = 0,
        threshold: int = 6,
        interval: float = 10.0,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.description = description
        self.total = total
        self.done = start
        self._unit = unit
        self._start = start
        self._threshold = threshold
        self._interval = interval
        self._stream = stream if stream is not None else sys.stderr
        self._clock = clock
        self._fields: dict[str, str] = {}
        self._on_terminal = self._stream.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")
        self._in_notebook = stream is None and not self._on_terminal and _is_notebook()
        self._live: _Terminal | _Cell | None = None
        self._shown = False

    def __enter__(self) -> Self:
        self._begun = self._spoken = self._drawn = self._clock()
        self._first: float | None = None
        self._anchor = (self._begun, self.done)
        self._samples = deque([self._anchor])
        if (self._on_terminal or self._in_notebook) and not self._is_short():
            self._draw()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(self._live, _Cell):
            self._live.show(Text(self._last_line(stopped=error is not None)))
            return
        self._erase()
        if self._shown or (not self._is_short() and self.done > self._start):
            self._print(self._last_line(stopped=error is not None))

    def update(self, advance: int = 1, **fields: float | str) -> None:
        """Count `advance` more units as done and show `fields` (losses, accuracies) by name until they are set anew."""
        self.done += advance
        for name, value in fields.items():
            self._fields[printable(name)] = printable(value) if isinstance(value, str) else number(value)
        now = self._clock()
        self._sample(now)
        if self._is_short() and now - self._begun < self._interval:
            return
        if self._on_terminal or self._in_notebook:
            if self._live is None or now - self._drawn >= _REDRAW or self.done == self.total:
                self._drawn = now
                self._draw()
        elif now - self._spoken >= self._interval:
            self._spoken = now
            self._print(self._line())

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the live line off the terminal while the block prints results or shows another progress."""
        drawn = self._live is not None
        self._erase()
        try:
            yield
        finally:
            if drawn:
                self._draw()

    def _is_short(self) -> bool:
        return self.total is not None and self.total - self._start < self._threshold

    # The figures.

    def _sample(self, now: float) -> None:
        """Remember a few counts of the last seconds; the oldest one kept is where the rate is measured from."""
        if self._first is None:
            self._first = now
        if now - self._first < _FIRST:
            self._anchor = (now, self.done)
            self._samples = deque([self._anchor])
        elif now - self._samples[-1][0] >= _WINDOW / 100:
            self._samples.append((now, self.done))
        while len(self._samples) > 2 and now - self._samples[1][0] >= _WINDOW:
            self._samples.popleft()

    def _rate(self) -> float:
        """Units a second, recently; 0 before anything is known."""
        then, done = self._samples[0]
        passed = self._clock() - then
        return (self.done - done) / passed if passed > 0 else 0.0

    def _count(self) -> str:
        return f"{self.done:,}" if self.total is None else f"{self.done:,}/{self.total:,}"

    def _left(self) -> str:
        rate = self._rate()
        if self.total is None or self.done >= self.total or rate <= 0:
            return ""
        return f"{duration((self.total - self.done) / rate)} left"

    def _speed(self, rate: float) -> str:
        return f"{rate:,.0f} {self._unit}/s" if rate >= 10 else f"{rate:.2g} {self._unit}/s" if rate > 0 else ""

    def _named(self) -> list[str]:
        return [f"{name} {value}" for name, value in self._fields.items()]

    # Plain lines.

    def _line(self) -> str:
        share = f" ({percent(self.done / self.total, 0)})" if self.total else ""
        parts = [f"{self._count()} {self._unit}{share}", self._speed(self._rate()), self._left(), *self._named()]
        return f"{printable(self.description)}: " + ", ".join(part for part in parts if part)

    def _last_line(self, stopped: bool) -> str:
        now = self._clock()
        passed = now - self._begun
        here = self.done - self._start
        count = f"stopped at {self._count()} {self._unit}" if stopped else counted(here, self._unit)
        then, done = self._anchor
        rate = (self.done - done) / (now - then) if self.done > done and now > then else 0.0
        overall = here / max(passed, 1e-9)
        begun = " once under way" if overall < 0.9 * rate else ""
        parts = [f"{count} in {duration(passed)}", f"{self._speed(rate or overall)}{begun}"]
        return f"{printable(self.description)}: " + ", ".join(part for part in (*parts, *self._named()) if part)

    def _print(self, line: str) -> None:
        self._shown = True
        with suppress(OSError):  # a log on a full disk: the work goes on
            print(line, file=self._stream, flush=True)

    # The live line.

    def _draw(self) -> None:
        if self._live is None:
            self._live = _Cell() if self._in_notebook else _Terminal(self._stream)
        self._shown = True
        self._live.show(self._picture(self._live.width))

    def _erase(self) -> None:
        if isinstance(self._live, _Terminal):
            self._live.erase()
            self._live = None

    def _picture(self, width: int) -> Group:
        """One line if all fits into `width` columns, else the fields (and what more does not fit) below it."""
        head = printable(self.description)
        beside = [part for part in (self._count(), self._speed(self._rate()), self._left()) if part]
        below = self._named()
        if _length([head, *beside, *below]) + _NARROWEST_BAR <= width:
            beside, below = [*beside, *below], []
        while beside and _length([head, *beside]) + _NARROWEST_BAR > width:
            below.insert(0, beside.pop())
        line = Table.grid(padding=(0, 2, 0, 0), expand=True)
        line.add_column(no_wrap=True, overflow="ellipsis")
        cells: list[Text | ProgressBar] = [Text(head, style="bold")]
        if self.total is not None:
            line.add_column(ratio=1)
            cells.append(ProgressBar(total=max(self.total, 1), completed=self.done))
        for part in beside:
            line.add_column(no_wrap=True, overflow="ellipsis")
            cells.append(Text(part))
        line.add_row(*cells)
        return Group(line, *(Text(row, no_wrap=True, overflow="ellipsis", style="dim") for row in _fill(below, width)))


class _Terminal:
    """The last lines of a terminal, drawn anew in their place; what else is written there goes above them."""

    def __init__(self, stream: TextIO) -> None:
        self._page = Console(file=stream, force_terminal=True, force_jupyter=False)
        self._live = Live(console=self._page, auto_refresh=False, transient=True, redirect_stdout=False)
        self._live.start()
        self._page.show_cursor(True)  # a process that is killed could not show it again

    @property
    def width(self) -> int:
        return self._page.width

    def show(self, picture: Group) -> None:
        self._live.update(picture, refresh=True)

    def erase(self) -> None:
        self._live.stop()


class _Cell:
    """One output of a notebook's cell, drawn anew in its place, as text that any front end shows."""

    width = 100

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, picture: Group | Text) -> None:
        page = Console(file=io.StringIO(), width=self.width, color_system=None, force_jupyter=False)
        with page.capture() as capture:
            page.print(picture)
        text = {"text/plain": capture.get().rstrip()}
        if self._handle is None:
            self._handle = import_module("IPython.display").display(text, raw=True, display_id=True)
        else:
            self._handle.update(text, raw=True)


def _is_notebook() -> bool:
    """Whether this runs in a kernel of Jupyter's, or of one of its relatives."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return any(kind.__name__ == "ZMQInteractiveShell" for kind in type(shell).__mro__)


def _length(parts: list[str]) -> int:
    return sum(cell_len(part) + 2 for part in parts)


def _fill(parts: list[str], width: int) -> list[str]:
    """Lay `parts` into rows of at most `width` columns, indented by two, without breaking a part."""
    rows: list[str] = []
    for part in parts:
        if rows and _length([rows[-1], part]) - 2 <= width:
            rows[-1] += f"  {part}"
        else:
            rows.append(f"  {part}")
    return rows
