"""The rows of a table as a CSV file."""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from typing import Any

from googlenet.files import atomic_write

__all__ = ["write_csv"]


def write_csv(path: str | os.PathLike[str], header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a header and rows as UTF-8, names of files byte for byte; raises `InputError` as `atomic_write` does."""
    with atomic_write(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")
        table = csv.writer(text, lineterminator="\n")
        table.writerow(header)
        table.writerows(rows)
        text.detach()
