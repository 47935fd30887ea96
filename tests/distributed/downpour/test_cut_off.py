"""One of three machines is cut off in the middle of a run and comes back: what the benchmark of that shows is so."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[3] / "benchmarks/node_cut_off.py"


def has_namespaces() -> bool:
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "--net", "--pid", "--fork", "true"], capture_output=True).returncode == 0


@pytest.mark.long
@pytest.mark.skipif(not has_namespaces(), reason="makes machines of namespaces, which needs Linux, root and iproute2")
@pytest.mark.parametrize("arm", ["unplugged", "killed"])
def test_the_run_goes_on_and_the_machine_is_used_again(arm: str) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'googlenet[cluster]'")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # /tmp is each machine's own
        result = Path(folder, "result.json")
        command = [sys.executable, str(BENCHMARK), folder, "--arms", arm, "--json", str(result)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
        assert done.returncode == 0, done.stderr[-4000:]
        found = json.loads(result.read_text())["arms"][arm]
    print(found)
    assert found["each once"]
    assert found["top-1"] is not None, "the run has ended by itself"
    assert found["lost_replicas"] >= 1
    assert found["batches without a gradient"] <= found["lost_pushes"] <= found["lost_replicas"]
    assert found["lost_updates"] <= 3 * (20 + 3), "of each shard at most those since its last copy, and under way"
    assert found["its replica computes again after"] is not None
    assert found["left behind"] == "nothing"
