"""What commands of long work have in common: how a run ends, in words and as an exit status."""

import shlex
import sys
from collections.abc import Callable
from typing import TypeVar

from googlenet.errors import BrokenOff
from googlenet.reporting.console import say

BROKEN_OFF, INTERRUPTED = 1, 130

Run = TypeVar("Run")
"""A finished run of some kind."""


def carry_through(run: Callable[[], Run]) -> Run | int:
    """Return the finished run; or, where it ended before, say why and how to go on, and return the exit status."""
    from googlenet.training.trainer import Diverged

    try:
        return run()
    except (Diverged, BrokenOff) as error:
        say(f"googlenet: {error}")
        return BROKEN_OFF
    except KeyboardInterrupt as error:
        return stopped(error)


def stopped(error: BrokenOff | KeyboardInterrupt, goes_on: bool = True) -> int:
    """Say why work stopped and, where the same command goes on, with which; return the exit status."""
    again = f"; go on with: {shlex.join(['googlenet', *sys.argv[1:]])}" if goes_on else ""
    say(f"googlenet: {str(error) or 'interrupted'}{again}")
    return BROKEN_OFF if isinstance(error, BrokenOff) else INTERRUPTED
