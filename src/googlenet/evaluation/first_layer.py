"""The filters of a network's first convolution, which look at pixels and so can be looked at."""

import numpy as np
import torch
from numpy.typing import NDArray

from googlenet.network.graph import Convolve, expand
from googlenet.network.module import Network

__all__ = ["first_filters"]


def first_filters(network: Network) -> NDArray[np.float32]:
    """Return the filters, float32 [filters, height, width, 3]: what a step of each pixel in R, G, B (0..255) adds.

    Those of a separable first row are the dense ones that it amounts to. No filters where the first convolution does
    not look at pixels.
    """
    first, second, *_ = expand(network.specification, auxiliary=False)
    if not isinstance(first.operation, Convolve):
        return np.empty((0, 1, 1, 3), np.float32)
    weights = network.state_dict()
    filters = weights[f"{first.key}.weight"].detach().float().cpu()
    if first.operation.groups > 1:  # depthwise, then pointwise with nothing in between
        pointwise = weights[f"{second.key}.weight"].detach().float().cpu()[:, :, 0, 0]
        channels, multiplier = first.input[0], len(filters) // first.input[0]
        filters = torch.einsum(
            "fcm,cmhw->fchw",
            pointwise.reshape(len(pointwise), channels, multiplier),
            filters.reshape(channels, multiplier, *filters.shape[2:]),
        )
    pixels = network.specification.pixels
    filters = filters * (pixels.white / 255 / torch.tensor(pixels.scale))[:, None, None]
    if pixels.order == "BGR":
        filters = filters.flip(1)
    return filters.permute(0, 2, 3, 1).numpy()
