"""Proposals by grouping: Selective Search (Uijlings et al., IJCV 2013), with superpixels of any size.

Section 8 of the paper: the proposals of R-CNN, of which doubled superpixels leave half.
May import `native`, `randomness`, `errors` and `googlenet.detection.boxes`; nothing here needs torch."""

from googlenet.detection.selective_search.search import Proposals, SelectiveSearch
from googlenet.detection.selective_search.settings import VERSIONS, Settings, parse_settings

__all__ = ["VERSIONS", "Proposals", "SelectiveSearch", "Settings", "parse_settings"]
