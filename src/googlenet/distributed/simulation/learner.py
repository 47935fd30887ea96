"""A small network in the place of the large one: real gradients at whatever weights a simulated worker holds."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from googlenet.data.batch import Batch
from googlenet.data.dataset import Dataset
from googlenet.data.sampler import Planned, Sampler
from googlenet.data.samples import EvaluationSamples, make_batch
from googlenet.distributed.downpour.slices import Slices
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.specification import (
    AveragePool,
    Classifier,
    Convolution,
    Inception,
    MaxPool,
    Pixels,
    Resize,
    Specification,
)
from googlenet.training.execution import Execution
from googlenet.training.losses import rank_of_label
from googlenet.training.optimizer import SGD, clip, parameter_groups
from googlenet.training.task import LOSS, Classification

__all__ = ["Learner", "small_network"]

EXECUTION = Execution(channels_last=False, threads=1)
_EVALUATED_TOGETHER = 256


def small_network(classes: int) -> Specification:
    """Return two Inception modules for pictures of 16 x 16, which a core trains with thousands of images a second."""
    rows = (
        Convolution("conv1", 16, 3, stride=2),
        Inception("inception_3a", 8, 8, 16, 4, 8, 8),
        MaxPool("pool3", 3, 2),
        Inception("inception_4a", 16, 8, 24, 4, 8, 8),
        AveragePool("pool5", 4),
    )
    half = (0.5, 0.5, 0.5)
    pixels = Pixels(white=1.0, mean=half, scale=half, resize=Resize("squash", 16))
    return Specification("two-modules", rows, Classifier(classes), input=(3, 16, 16), pixels=pixels)


class Learner:
    """Gradients of mini-batches, and how well weights do. Weights are one vector, float32 [parameters].

    Mini-batch n of `batch_size` images is the n-th of the order that `seed` gives to the training images, epoch after
    epoch, whoever computes it. A gradient is no longer than `longest` (0: as it is).
    """

    def __init__(
        self,
        specification: Specification,
        training: Dataset,
        validation: Dataset,
        *,
        batch_size: int,
        seed: int,
        longest: float = 0.0,
    ) -> None:
        network = Network(specification)
        initialise(network, seed=seed)
        self._sampler = Sampler(training.labels, batch_size, seed)
        self.batch_size, self.images = batch_size, len(training)
        self._longest = longest
        self._training, self._validation = (_pictures(data, specification) for data in (training, validation))
        self._network = EXECUTION.fuse(EXECUTION.place(network))
        self._evaluating = EXECUTION.fuse(network).eval()
        steps = self._sampler.steps_per_epoch
        self._task = Classification(self._network, EXECUTION, seed=seed, steps_per_epoch=steps)
        self._optimizer = SGD(parameter_groups(network))
        self._parameters = list(self._optimizer.parameters.values())
        self.first_weights = torch.cat([parameter.detach().reshape(-1) for parameter in self._parameters])
        kinds = self.slices(1).kinds
        self.rates = torch.cat([torch.full((kind.length,), kind.rate) for kind in kinds])
        """Each weight's factor on the rate."""
        self._weights = self.first_weights.clone()
        lengths = [kind.length for kind in kinds]
        for parameter, part in zip(self._parameters, self._weights.split(lengths), strict=True):
            parameter.data = part.view_as(parameter)

    def slices(self, count: int) -> Slices:
        """Return how the weights lie on so many shards."""
        return Slices.of(self._optimizer, count)

    def gradient(self, weights: Tensor, numbers: Sequence[int]) -> tuple[Tensor, float]:
        """Return the mean gradient over some mini-batches at these weights, and the loss."""
        self._weights.copy_(weights)
        for parameter in self._parameters:
            parameter.grad = None
        loss = self._task.compute(self.batch(numbers))[LOSS].mean
        clip(self._parameters, self._longest)
        return torch.cat([parameter.grad.reshape(-1) for parameter in self._parameters]), loss  # type: ignore[union-attr]

    def batch(self, numbers: Sequence[int]) -> Batch:
        """Return some mini-batches as one."""
        planned = [self._sampler.batch(*divmod(number, self._sampler.steps_per_epoch)) for number in numbers]
        indices = np.concatenate([one.draws for one in planned]) % self.images
        chosen = torch.from_numpy(indices)
        arrays = {name: array[chosen] for name, array in self._training.items()}
        return Batch(planned[0].epoch, planned[0].step, arrays, chosen)

    @torch.no_grad()
    def accuracy(self, weights: Tensor) -> float:
        """Return the share of the validation images that these weights recognise."""
        self._weights.copy_(weights)
        right = 0
        pictures, labels = self._validation["images"], self._validation["labels"]
        for some, truth in zip(pictures.split(_EVALUATED_TOGETHER), labels.split(_EVALUATED_TOGETHER), strict=True):
            right += int((rank_of_label(EXECUTION.evaluate(self._evaluating, some), truth) == 0).sum())
        return right / len(labels)


def _pictures(data: Dataset, specification: Specification) -> dict[str, Tensor]:
    """All images as the network takes them, uint8 [N, height, width, 3], and their labels."""
    samples = EvaluationSamples(specification.input[1:], specification.pixels)
    made = make_batch(data, samples, Planned(0, 0, np.arange(len(data))), skip_bad_images=False)
    return {name: torch.from_numpy(array) for name, array in made.arrays.items()}
