"""Where the tests of this folder find the modules that they share."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for `coloured`
sys.path.append(str(Path(__file__).parents[2] / "training"))  # for `killing`
