"""A node of Ray is killed, with whatever ran on it, and the run goes on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_runs import write_images

HERE = Path(__file__).parent


@pytest.mark.long
@pytest.mark.parametrize("kills", [20])
def test_nodes_are_killed_and_replaced_and_no_batch_is_computed_twice(tmp_path: Path, kills: int) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'googlenet[cluster]'")
    data = write_images(tmp_path / "images")
    command = [sys.executable, str(HERE / "nodes.py"), str(data), str(tmp_path / "run"), str(kills)]
    paths = os.pathsep.join([str(HERE.parents[1] / "training"), str(HERE)])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    summary = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    told, steps = summary["exchange"], summary["steps"]
    print(told, "killed after the steps", summary["killed"])
    assert len(summary["killed"]) == kills
    assert told["lost_replicas"] + told["lost_shards"] > 0
    found = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    taken = [line for line in found if line["event"] == "step"]
    assert [line["step"] for line in taken] == list(range(1, steps + 1))
    assert steps - sum(line["images"] for line in taken) // 4 <= told["lost_pushes"] <= told["lost_replicas"]
