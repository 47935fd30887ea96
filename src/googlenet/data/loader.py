"""Batches in their planned order, made by this process or by a pool of workers, as tensors: the end of the pipeline.

Images stay uint8; normalisation happens once a batch on the network's device (`images.preprocessing.normalise`). The
batches are the same bytes with any number of workers, from whatever place they are begun.
"""

import time
from collections import deque
from collections.abc import Iterator

from googlenet.data.batch import Batch, MadeBatch
from googlenet.data.dataset import Dataset
from googlenet.data.pool import Job, Order, WorkerPool
from googlenet.data.sampler import Plan, Planned
from googlenet.data.samples import Samples, make_batch

__all__ = ["Loader"]


class Loader:
    """Makes the batches of a plan by the workers of a `pool`, which its owner opens and closes and other loaders share.

    Without a pool, or with an empty one, this process makes batches when they are asked for. Data that cannot be sent
    to another process (a class defined in a notebook or script, an open file) are read by one thread of this one.
    Without `skip_bad_images` an image that cannot be read raises `InputError` with its name when its batch is asked
    for; with it, the image is left out of the batch (never replaced), and stands in `Batch.bad` and in `bad_images`.
    """

    def __init__(
        self,
        dataset: Dataset,
        samples: Samples,
        plan: Plan,
        pool: WorkerPool | None = None,
        *,
        skip_bad_images: bool = False,
    ) -> None:
        self.dataset, self.samples, self.plan = dataset, samples, plan
        self.skip_bad_images = skip_bad_images
        self.bad_images: dict[str, str] = {}
        """Name and reason of each image that was skipped so far."""
        self._job = Job(pool, dataset, samples, skip_bad_images) if pool and pool.workers else None

    def batches(self, epoch: int = 0, step: int = 0, stop: int | None = 1) -> Iterator[Batch]:
        """Yield the batches from a place on up to the beginning of epoch `stop` (None: without end).

        Batches of the next epoch are prepared while the last ones of this are used. Beginning anew, also after an
        iterator was left early, gives the same batches again.
        """
        planned = self.plan.batches(epoch, step, stop)
        made = _ordered_ahead(self._job, planned) if self._job else self._make_here(planned)
        while True:
            start = time.perf_counter()
            batch = next(made, None)
            if batch is None:
                return
            self.bad_images.update(batch.bad)
            yield _tensors(batch, time.perf_counter() - start)

    def _make_here(self, planned: Iterator[Planned]) -> Iterator[MadeBatch]:
        for one in planned:
            yield make_batch(self.dataset, self.samples, one, self.skip_bad_images)


def _ordered_ahead(job: Job, planned: Iterator[Planned]) -> Iterator[MadeBatch]:
    orders: deque[Order] = deque()
    for one in planned:
        if len(orders) == job.ahead:
            yield orders.popleft().result()
        orders.append(job.order(one))
    while orders:
        yield orders.popleft().result()


def _tensors(batch: MadeBatch, waited: float) -> Batch:
    import torch  # here, so that worker processes, which import this package, do without

    arrays = {name: torch.from_numpy(array) for name, array in batch.arrays.items()}
    return Batch(batch.epoch, batch.step, arrays, torch.from_numpy(batch.indices), batch.bad, waited)
