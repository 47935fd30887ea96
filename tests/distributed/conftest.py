import sys
from pathlib import Path

for folder in (
    Path(__file__).parent,
    Path(__file__).parents[1] / "training",
):  # for `company`, `small_runs`, `toy_task`
    sys.path.append(str(folder))
