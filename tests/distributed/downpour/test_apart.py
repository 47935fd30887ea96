"""A shard and its copy are not on the same node, or a copy would be no help."""

import subprocess
import sys

import pytest

PROGRAM = """
import ray
from ray.cluster_utils import Cluster

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
for _ in range(2):
    cluster.add_node(num_cpus=1)
ray.init(address=cluster.address)

from googlenet.distributed.downpour.actors import apart_from

class Shard:
    def node(self):
        return ray.get_runtime_context().get_node_id()

def start(other, turn):
    return ray.remote(Shard).options(num_cpus=0, max_concurrency=16, **apart_from(other, turn)).remote()

actors = []
for turn in range(6):
    shard = start(None, turn)
    copy = start(shard, turn)
    actors += [shard, copy]
    print("nodes", *ray.get([shard.node.remote(), copy.node.remote()]))
"""


def test_a_shard_and_its_copy_are_on_two_nodes() -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'googlenet[cluster]'")
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    nodes = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("nodes ")]
    assert len(nodes) == 6
    assert all(shard != copy for shard, copy in nodes), nodes
