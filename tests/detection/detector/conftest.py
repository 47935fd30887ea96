"""Where the tests of this folder find the modules that they share among themselves, and with others."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for `gridded`
sys.path.append(str(Path(__file__).parents[1] / "regions"))  # for `coloured`
sys.path.append(str(Path(__file__).parents[1] / "average_precision"))  # for `in_memory`
