"""Which Selective Search: a version of the published table, the size of its superpixels, the width it works at.

The three versions are those of Uijlings et al. (IJCV 2013), Table 5. A strategy is a colour space, a set of
similarities and a scale k; each colour space and scale is segmented once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from googlenet.errors import InputError, shown, whole

__all__ = ["VERSIONS", "Settings", "Space", "Term", "Version", "VersionName", "parse_settings"]

VersionName = Literal["single", "fast", "quality"]

Space = Literal["HSV", "Lab", "rgI", "H", "I"]

Term = Literal["colour", "texture", "size", "fill"]
"""What makes two regions similar."""

_ALL: tuple[Term, ...] = ("colour", "texture", "size", "fill")


@dataclass(frozen=True)
class Version:
    """Every colour space with every scale and every set of similarities."""

    spaces: tuple[Space, ...]
    similarities: tuple[tuple[Term, ...], ...]
    scales: tuple[int, ...]
    """k of the graph segmentation, which is also the least number of pixels of a region"""

    @property
    def strategies(self) -> int:
        """How many hierarchies are made of a picture."""
        return len(self.spaces) * len(self.similarities) * len(self.scales)


VERSIONS: dict[VersionName, Version] = {
    "single": Version(("HSV",), (_ALL,), (100,)),
    "fast": Version(("HSV", "Lab"), (_ALL, _ALL[1:]), (50, 100)),
    "quality": Version(("HSV", "Lab", "rgI", "H", "I"), (_ALL, _ALL[1:], ("fill",), ("size",)), (50, 100, 150, 300)),
}


@dataclass(frozen=True)
class Settings:
    """How a picture is searched. Creating one checks it: raises `InputError` with the field's name."""

    version: VersionName = "fast"
    """single (1 hierarchy), fast (8) or quality (80)"""
    superpixels: float = 1.0
    """times the scale of the first regions: 2 doubles k and their least size, as section 8 of the paper has it"""
    width: int | None = 500
    """pixels to which a picture is resized, as R-CNN did it for ILSVRC; none keeps it, as for VOC (`width=native`)"""
    seed: int = 0
    """of the ranking, in which chance has a part"""

    def __post_init__(self) -> None:
        if self.version not in VERSIONS:
            raise InputError(f"version '{shown(str(self.version))}' is not known; there are {', '.join(VERSIONS)}")
        if not 0.5 <= self.superpixels <= 100:
            raise InputError(f"superpixels must be a number from 0.5 to 100, found {shown(repr(self.superpixels))}")
        if self.width is not None and whole("width", self.width, least=20) > _WIDEST:
            raise InputError(f"width must be at most {_WIDEST}, found {shown(repr(self.width))}; or say width=native")
        if whole("seed", self.seed, least=0) >= 1 << 64:
            raise InputError(f"seed must be below 2^64, found {shown(repr(self.seed))}")

    @property
    def scales(self) -> tuple[int, ...]:
        """The scales of the version with superpixels of this size; a half is rounded up."""
        return tuple(int(scale * self.superpixels + 0.5) for scale in VERSIONS[self.version].scales)

    def __str__(self) -> str:
        """Return the text of which `parse_settings` makes the same; every setting is in it."""
        width = "native" if self.width is None else self.width
        return f"{self.version},superpixels={self.superpixels:g},width={width},seed={self.seed}"


_WIDEST = 4096


def parse_settings(text: str) -> Settings:
    """Read settings as the command line has them: `fast,superpixels=2,width=native`; nothing is `fast`.

    Raises `InputError` that names what is wrong.
    """
    given: dict[str, object] = {}
    for number, part in enumerate(filter(None, text.split(","))):
        name, equals, value = part.partition("=")
        if not equals and number == 0:
            name, value = "version", part
        if name not in _READERS or not value:
            known = ", ".join(f"{field}=..." for field in _READERS)
            raise InputError(f"Selective Search: '{shown(part)}' is no setting; there are {known}")
        if name in given:
            raise InputError(f"Selective Search: {name} is there twice")
        try:
            given[name] = _READERS[name](value)
        except ValueError:
            raise InputError(f"Selective Search: {name}: '{shown(value)}' is no number") from None
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except InputError as error:
        raise InputError(f"Selective Search: {error}") from None


_READERS: dict[str, Callable[[str], object]] = {
    "version": str,
    "superpixels": float,
    "width": lambda value: None if value == "native" else int(value),
    "seed": int,
}
