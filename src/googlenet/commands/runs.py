"""What the commands that train have in common: how a run ends, in words and as an exit status."""

import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from googlenet.errors import BrokenOff
from googlenet.reporting.console import say

if TYPE_CHECKING:
    from googlenet.training.run import Run

BROKEN_OFF, INTERRUPTED = 1, 130


def carry_through(run: "Callable[[], Run]") -> "Run | int":
    """Return the finished run; or, where it ended before, say why and how to go on, and return the exit status."""
    from googlenet.training.interruption import Interrupted
    from googlenet.training.trainer import Diverged

    try:
        return run()
    except (Diverged, BrokenOff) as error:
        say(f"googlenet: {error}")
        return BROKEN_OFF
    except KeyboardInterrupt as error:
        told = error if isinstance(error, Interrupted) else "interrupted"
        say(f"googlenet: {told}; go on with: {shlex.join(['googlenet', *sys.argv[1:]])}")
        return INTERRUPTED
