"""How the processes that train one network work together: gradients, figures, and what they decide.

All processes go through the same steps. Rank 0 owns the run's folder with its lock, its log and its report, evaluates
and saves; the others receive what it measured and decided.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any, TypeVar, cast

from torch import Tensor, nn

from googlenet.data.batch import Batch
from googlenet.errors import InputError, shown
from googlenet.network.module import Network
from googlenet.training.execution import Execution
from googlenet.training.interruption import EndedAtOnce, Interrupted
from googlenet.training.loop_recipe import LoopRecipe
from googlenet.training.optimizer import SGD
from googlenet.training.step import Step, Wish
from googlenet.training.task import Figures, Sum, Task, added
from googlenet.training.work import Work

__all__ = ["Alone", "Exchange", "Wish"]


Result = TypeVar("Result")


class Exchange(ABC):
    """What connects the processes. The first three methods are to be written, others may be for less traffic.

    Every process calls `expect`, `gather`, `agree` and `total` once in each step, in this order, whether it has images
    or not, and `apply` where any process had some. Whoever is left waiting by a process that ended must raise an error.
    """

    rank: int = 0
    """The number of this process, from 0."""
    size: int = 1
    """How many processes there are."""

    def join(self, network: Network) -> None:  # noqa: B027
        """Have layers of a network that is to be trained, whose results depend on the whole batch, see all of it."""

    def expect(self, parameters: Sequence[nn.Parameter], images: int, passes: int) -> None:  # noqa: B027
        """Prepare for the gradients over this process's `images`, which are added up in so many backward `passes`.

        They may be sent from then on, as they come.
        """

    @abstractmethod
    def gather(self, parameters: Sequence[nn.Parameter], images: int) -> int:
        """Replace each gradient, the mean over this process's `images`, by the mean over all processes' images.

        Returns how many these are. With 0 `images` parameters have no gradient, or one that counts nothing; afterwards
        all have one, unless no process had an image.
        """

    @abstractmethod
    def apply(self, optimizer: SGD, rate: float) -> None:
        """Move the weights by the gathered gradients, at the rate `rate`."""

    @abstractmethod
    def all_gather(self, value: Any) -> list[Any]:
        """Return what each process gave, by rank: plain values, records, tensors on the CPU, errors."""

    def agree(self, wish: Wish) -> Wish:
        """Return what any process wishes: all then do it."""
        return reduce(or_, self.all_gather(wish))

    def total(self, figures: Figures) -> Figures:
        """Return the figures of all processes together; a process without images gives none."""
        return added(*self.all_gather({name: Sum(float(value.total), value.count) for name, value in figures.items()}))

    def each(self, work: Callable[[], Result]) -> Result:
        """Do `work` on every process, and return what it gives this one; where it fails on one, it has on all.

        A process whose own work failed raises its error, the others say which rank it was. What is interrupted on one
        is on all.
        """
        result, failed = None, None
        try:
            result = work()
        except EndedAtOnce:
            raise
        except (InputError, Interrupted) as error:
            failed = error
        told = self.all_gather(failed)
        if failed is not None:
            raise failed
        for rank, other in enumerate(told):
            if other is not None:
                raise other if isinstance(other, Interrupted) else InputError(f"rank {rank}: {other}")
        return cast(Result, result)

    def expect_same(self, what: Mapping[str, str]) -> None:
        """Raise `InputError`, on every process, where one has something else than rank 0."""
        first, *others = self.all_gather(dict(what))
        for rank, found in enumerate(others, start=1):
            for name, value in found.items():
                if value != first.get(name):
                    raise InputError(
                        f"rank {rank} has {name} {shown(value)}, rank 0 {shown(first.get(name, ''))};"
                        " give all processes the same"
                    )

    def lead(self, work: Callable[[], Any]) -> Any:
        """Do `work` on rank 0 alone; every process gets what it returns, or the error that it raises."""
        result: Any = None
        if self.rank == 0:
            try:
                result = work()
            except EndedAtOnce:
                raise
            except BaseException as error:
                told = isinstance(error, InputError | Interrupted)
                self.all_gather(error if told else RuntimeError(f"rank 0 ended: {error!r}"))
                raise
        first = self.all_gather(result)[0]
        if self.rank != 0 and isinstance(first, BaseException):
            raise first
        return first

    def take_steps(self, work: Work, here: Callable[[], Iterator[Step]]) -> Iterator[Step]:
        """Yield the steps of a run: those that the loop of this process takes `here`, unless it leads others."""
        return here()

    def keep_log(self, folder: Path) -> None:  # noqa: B027
        """Keep what this process says in the run's folder, where it is not the one that speaks."""

    def described(self) -> Mapping[str, Any]:
        """Return what recipe.json says of how gradients come together, where a run must not go on in another way."""
        return {}

    def summary(self) -> Mapping[str, Any]:
        """Return what summary.json says of how the exchange went."""
        return {}

    # For processes that share out one network among them, each of which computes some of its rows.

    @property
    def share(self) -> tuple[int, int]:
        """Which share of each batch this process works on, and of how many; several may work on one."""
        return self.rank, self.size

    @property
    def evaluation_share(self) -> tuple[int, int] | None:
        """Which share of what is evaluated this process answers, and of how many; None where it holds a part alone."""
        return self.rank, self.size

    @property
    def loads(self) -> bool:
        """Whether this process makes batches; otherwise `divide` gets them from one that does."""
        return True

    def take_part(self, network: Network, execution: Execution, recipe: LoopRecipe) -> tuple[str, ...]:
        """Leave in a network, which was placed, what this process trains; return the rows and heads that others train.

        Those need no gradient here, and but on rank 0 hold no memory. Raises `InputError` where they cannot be shared.
        """
        return ()

    def divide(self, task: Task, batches: Iterator[Batch]) -> tuple[Task, Iterator[Batch]]:
        """Return a task and batches as this process works on them."""
        return task, batches

    def norm(self, own: Tensor) -> Tensor:
        """Return the Euclidean norm of the gathered gradients of the whole network, from that of this process's."""
        return own

    def whole(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return, on rank 0, the tensors of all rows by name, each from a process that trains it."""
        return tensors

    def state(self) -> Mapping[str, Tensor]:
        """Return what a later process needs to go on beside weights and velocity, by name; every process calls it."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:  # noqa: B027  most have nothing to restore
        """Take over what `state` returned on rank 0."""


class Alone(Exchange):
    """One process: its gradients are all that there are."""

    def gather(self, parameters: Sequence[nn.Parameter], images: int) -> int:
        return images

    def apply(self, optimizer: SGD, rate: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()

    def all_gather(self, value: Any) -> list[Any]:
        return [value]

    def total(self, figures: Figures) -> Figures:
        return figures
