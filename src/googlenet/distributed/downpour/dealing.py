"""Who computes which batch of a stretch of the run, and what is lost with a replica: plain bookkeeping."""

from collections import deque
from dataclasses import dataclass, field

__all__ = ["Dealer", "Lost"]


@dataclass(frozen=True)
class Lost:
    """What went with a replica: `begun` batches that it has not reported (0 or 1), `pushes` that were under way."""

    begun: int
    pushes: int


@dataclass
class _Hand:
    """A replica's batches, in the order in which it computes them."""

    start: int
    """Where it stands beside the others as it joins: the number of batches that the slowest has computed."""
    dealt: list[int] = field(default_factory=list)
    computed: int = 0
    pushed: int = 0
    """Of the computed ones, those whose gradients are on the shards."""

    @property
    def is_busy(self) -> bool:
        return self.computed < len(self.dealt)

    @property
    def place(self) -> int:
        return self.start + self.computed


class Dealer:
    """Deals the batches from number `begin` up to `end`, each to one replica, until all are accounted for.

    What a lost replica had not begun is dealt again; the one that it had under way is not, since some shards may have
    its gradient.
    """

    def __init__(self, begin: int, end: int) -> None:
        self._next, self._end = begin, end
        self._again: deque[int] = deque()
        self._hands: dict[int, _Hand] = {}
        self._open = 0
        """Dealt, and neither reported nor lost."""

    @property
    def has_more(self) -> bool:
        """Whether there is something to deal."""
        return bool(self._again) or self._next < self._end

    @property
    def is_over(self) -> bool:
        return not self.has_more and not self._open

    def join(self, replica: int) -> None:
        """Take a replica in, or anew, beside the slowest."""
        self._hands[replica] = _Hand(self._slowest())

    def deal(self, replica: int) -> int | None:
        """Return the number of a batch for a replica, None where there is none left."""
        if not self.has_more:
            return None
        if self._again:
            number = self._again.popleft()
        else:
            number, self._next = self._next, self._next + 1
        self._hands[replica].dealt.append(number)
        self._open += 1
        return number

    def report(self, replica: int, pushed: int) -> None:
        """Note that a replica has computed one more; of all of its, the gradients of `pushed` are on the shards."""
        hand = self._hands[replica]
        hand.computed, hand.pushed = hand.computed + 1, pushed
        self._open -= 1

    def lose(self, replica: int) -> Lost:
        """Give up a replica; what it had not begun is dealt again."""
        hand = self._hands.pop(replica, None)
        if hand is None:
            return Lost(0, 0)
        left = hand.dealt[hand.computed :]
        self._again.extend(left[1:])
        self._open -= len(left)
        return Lost(len(left[:1]), int(bool(left) or hand.pushed < hand.computed))

    def cut(self) -> None:
        """Deal nothing new any more: the stretch ends early, without a gap."""
        self._end = self._next

    def limit(self, replica: int, bound: int) -> int:
        """Return how many batches a replica may begin, so that it is at most `bound` ahead of the slowest."""
        return self._slowest() + bound + 1 - self._hands[replica].start

    def _slowest(self) -> int:
        """The place of the slowest of those who have something to do, or of the fastest where none has."""
        busy = [hand.place for hand in self._hands.values() if hand.is_busy]
        return min(busy) if busy else max((hand.place for hand in self._hands.values()), default=0)
