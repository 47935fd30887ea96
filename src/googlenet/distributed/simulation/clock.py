"""The clock of a simulation: what happens next, and when."""

from heapq import heappop, heappush
from typing import Generic, TypeVar

__all__ = ["Clock"]

Event = TypeVar("Event")


class Clock(Generic[Event]):
    """Events in the order of their times, those of one moment in the order in which they were announced.

    So a simulation goes the same way each time. `now` are the seconds of the last event.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Event]] = []
        self._announced = 0

    def at(self, seconds: float, event: Event) -> None:
        """Announce an event; `ValueError` where its time has passed."""
        if seconds < self.now:
            raise ValueError(f"{seconds} s: it is {self.now} s already")
        heappush(self._events, (seconds, self._announced, event))
        self._announced += 1

    def next(self) -> Event:
        """Go on to the next event, and return it; `IndexError` where there is none."""
        self.now, _, event = heappop(self._events)
        return event
