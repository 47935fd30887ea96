"""What a network is made of, as frozen records: the rows of Table 1, heads, pixels, and what convolutions share."""

from dataclasses import dataclass
from typing import ClassVar, Literal

__all__ = [
    "AdaptiveAveragePool",
    "Auxiliary",
    "AveragePool",
    "BatchNorm",
    "Classifier",
    "Convolution",
    "ConvolutionStyle",
    "Dropout",
    "Inception",
    "LocalResponseNorm",
    "MaxPool",
    "MultiBox",
    "Pixels",
    "Resize",
    "Row",
    "SeparableConvolution",
]

Rounding = Literal["ceil", "floor", "same"]
"""How a pool's output size is rounded: Caffe's `ceil` (a last window may hang over the edge and is clipped), `floor`
(TensorFlow's VALID), or TensorFlow's `same` (ceil(size / stride), the odd pixel of padding below and to the right)."""


@dataclass(frozen=True)
class Convolution:
    """A convolution, ReLU behind it; with `reduce`, a 1x1 convolution to so many channels (and ReLU) goes before it."""

    kind: ClassVar[str] = "convolution"
    name: str
    channels: int
    kernel: int
    stride: int = 1
    reduce: int = 0


@dataclass(frozen=True)
class SeparableConvolution:
    """A depthwise convolution (`multiplier` filters a channel, no ReLU), then a 1x1 convolution and ReLU.

    The stem whose 2.7K parameters and 34M operations Table 1 prints. Between the two there is nothing, so that it
    collapses into one dense convolution exactly.
    """

    kind: ClassVar[str] = "separable-convolution"
    name: str
    channels: int
    kernel: int
    stride: int = 1
    multiplier: int = 8
    depthwise_bias: bool = True


@dataclass(frozen=True)
class MaxPool:
    """Max pooling; padding never wins the maximum."""

    kind: ClassVar[str] = "max-pool"
    name: str
    kernel: int
    stride: int
    padding: int = 0
    rounding: Rounding = "ceil"


@dataclass(frozen=True)
class AveragePool:
    """Average pooling; each mean is over the pixels that the window really covers."""

    kind: ClassVar[str] = "average-pool"
    name: str
    kernel: int
    stride: int = 1
    rounding: Rounding = "floor"


@dataclass(frozen=True)
class AdaptiveAveragePool:
    """Average pooling to `size` x `size`, whatever the input (torchvision's auxiliary heads)."""

    kind: ClassVar[str] = "adaptive-average-pool"
    name: str
    size: int


@dataclass(frozen=True)
class LocalResponseNorm:
    """x / (k + a * sum of squares over `size` channels)^beta; a is alpha / size if `divided` (Caffe), else alpha."""

    kind: ClassVar[str] = "local-response-norm"
    name: str
    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0
    divided: bool = True


@dataclass(frozen=True)
class Dropout:
    """Zeroes a share `rate` of its input in training and scales the rest by 1 / (1 - rate)."""

    kind: ClassVar[str] = "dropout"
    name: str
    rate: float


@dataclass(frozen=True)
class Inception:
    """The module of Figure 2(b): four branches on one input, concatenated as 1x1, 3x3, 5x5, pool.

    The numbers are Table 1's columns. A reduction of 0 leaves that 1x1 convolution out, and a `pool_proj` of 0 passes
    the pooled input through: with all three 0 it is the naive module of Figure 2(a). `kernel_5x5` is 3 in the networks
    that descend from TF-slim.
    """

    kind: ClassVar[str] = "inception"
    name: str
    n1x1: int
    n3x3_reduce: int
    n3x3: int
    n5x5_reduce: int
    n5x5: int
    pool_proj: int
    kernel_5x5: int = 5


Row = (
    Convolution
    | SeparableConvolution
    | MaxPool
    | AveragePool
    | AdaptiveAveragePool
    | LocalResponseNorm
    | Dropout
    | Inception
)


@dataclass(frozen=True)
class Classifier:
    """The last layers: `hidden` fully connected layers with ReLU, then one output a class, without ReLU."""

    classes: int
    hidden: tuple[int, ...] = ()

    @property
    def outputs(self) -> int:
        """How many numbers it gives for an image."""
        return self.classes


@dataclass(frozen=True)
class MultiBox:
    """In the classifier's place: K boxes, each around some object, whatever it is (section 8; Erhan et al., 2014).

    The network looks at a square; boxes are x0, y0, x1, y1 in shares of it. Box k is its prior, a box that is usual
    among objects, plus `unit` times the outputs 4k to 4k + 3; it holds an object with the probability that the logistic
    function gives of output 4K + k.
    """

    kind: ClassVar[str] = "multibox"
    classes: ClassVar[int] = 0
    priors: tuple[tuple[float, float, float, float], ...]
    unit: float = 0.01
    hidden: tuple[int, ...] = ()

    @property
    def outputs(self) -> int:
        """How many numbers it gives for an image."""
        return 5 * len(self.priors)


@dataclass(frozen=True)
class Auxiliary:
    """A classifier on the output of row `after`, for training only (section 5).

    Average pool, 1x1 convolution to `channels`, `hidden` fully connected layers with ReLU, dropout, one output a class.
    """

    name: str
    after: str
    pool: AveragePool | AdaptiveAveragePool = AveragePool("pool", kernel=5, stride=3)
    channels: int = 128
    hidden: tuple[int, ...] = (1024,)
    dropout: float = 0.7


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation behind a convolution (which then has no bias); `momentum` is the weight of the new batch."""

    epsilon: float = 1e-3
    momentum: float = 0.1


@dataclass(frozen=True)
class ConvolutionStyle:
    """What all convolutions of a network share.

    `symmetric` padding is kernel // 2 on every side (Caffe); `same` is TensorFlow's, the odd pixel below and right.
    """

    padding: Literal["symmetric", "same"] = "symmetric"
    batch_norm: BatchNorm | None = None


@dataclass(frozen=True)
class Resize:
    """How a picture of any size gets to `size` before the centre is cropped.

    `squash`: to size x size, the aspect ratio is lost (Caffe). `short-side`: the short side to `size`, the long side
    rounded to the nearest pixel. `centre-square`: the central square of the picture, to size x size.
    Without `antialias` the filter looks only at the nearest pixels (OpenCV); with it, at all that it covers (Pillow).
    """

    geometry: Literal["squash", "short-side", "centre-square"] = "short-side"
    size: int = 256
    filter: Literal["nearest", "bilinear", "bicubic", "area", "lanczos"] = "bilinear"
    antialias: bool = True


@dataclass(frozen=True)
class Pixels:
    """What the network's input is made of: (pixel * white / 255 - mean) / scale, channels in `order`.

    `pixel` is 0..255; `mean` and `scale` are in the order of `order` and in units of `white`.
    """

    order: Literal["RGB", "BGR"] = "RGB"
    white: float = 255.0
    mean: tuple[float, float, float] = (123.0, 117.0, 104.0)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    resize: Resize = Resize()
