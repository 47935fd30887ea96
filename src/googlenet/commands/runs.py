"""What commands of long work have in common: how a run ends, in words and as an exit status."""

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from googlenet.errors import BrokenOff, InputError
from googlenet.processes import tell_torchrun
from googlenet.reporting.console import say

BROKEN_OFF, INTERRUPTED = 1, 130

Run = TypeVar("Run")
"""A finished run of some kind."""


def expect_apart(output: str, *data: str | None) -> None:
    """Raise `InputError` where a run's folder is that of its data, or lies in it, where it would be data, too."""
    folder = Path(output).resolve()
    for source in data:
        place = Path(source or "").resolve()
        if source and os.path.isdir(place) and (folder == place or place in folder.parents):  # noqa: PTH112  no name is too long for it
            raise InputError(f"{output}: lies in the data, {source}; give an output folder elsewhere")


def carry_through(run: Callable[[], Run]) -> Run | int:
    """Return the finished run; or, where it ended before, say why and how to go on, and return the exit status."""
    from googlenet.training.trainer import Diverged

    try:
        return run()
    except (Diverged, BrokenOff) as error:
        _last_words(f"googlenet: {error}")
        return BROKEN_OFF
    except KeyboardInterrupt as error:
        return stopped(error)


def stopped(error: BrokenOff | KeyboardInterrupt, goes_on: bool = True) -> int:
    """Say why work stopped and, where the same command goes on, with which; return the exit status."""
    again = f"go on with: {shlex.join(['googlenet', *sys.argv[1:]])}"
    if "TORCHELASTIC_RUN_ID" in os.environ:
        again = "give torchrun the same command again to go on"
    _last_words(f"googlenet: {str(error) or 'interrupted'}{f'; {again}' if goes_on else ''}")
    return BROKEN_OFF if isinstance(error, BrokenOff) else INTERRUPTED


def _last_words(line: str) -> None:
    tell_torchrun(line)
    say(line)
