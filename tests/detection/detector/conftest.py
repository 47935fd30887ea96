"""Where the tests of this folder find the pictures and networks that those of regions have."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "regions"))  # for `coloured`
