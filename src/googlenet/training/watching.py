"""What a person sees of a run: calm values with their name, and an alarm where a head learns nothing."""

from collections import deque
from statistics import fmean

from googlenet.reporting.console import percent
from googlenet.training.loop import Step

__all__ = ["Smoothed"]

WINDOW = 20


class Smoothed:
    """Means over the last steps for the screen; metrics.jsonl has the raw values alone."""

    def __init__(self, classes: int, total_steps: int) -> None:
        self._classes = classes
        self._last: deque[Step] = deque(maxlen=WINDOW)

    def take(self, step: Step) -> None:
        if step.images:
            self._last.append(step)

    def shown(self, epochs: int) -> dict[str, str]:
        """Return the fields of the progress line by name."""
        if not self._last:
            return {}
        newest = self._last[-1]
        fields = {"epoch": f"{newest.epoch:.1f}/{epochs}", f"mean of {len(self._last)} steps:": ""}
        for head in newest.losses:
            fields[f"loss {head}"] = f"{fmean(step.losses[head] for step in self._last):.3f}"
        fields["top-1"] = percent(fmean(step.top1["main"] for step in self._last))
        if self._classes > 5:
            fields["top-5"] = percent(fmean(step.top5["main"] for step in self._last))
        return fields
