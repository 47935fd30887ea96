"""Where the tests of this folder find the modules that they share."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]  # for `regions_world` and `coloured`
