"""How well a share is known from so many images."""

from scipy.stats import binomtest

__all__ = ["share_interval"]


def share_interval(right: int, images: int) -> tuple[float, float] | None:
    """Return Wilson's 95 % interval of right / images; None without images."""
    if not images:
        return None
    interval = binomtest(right, images).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
