"""A run over three Ray nodes of this machine, of which one after the other is killed and replaced: python nodes.py ...

    python nodes.py DATA FOLDER KILLS

Prints the summary as JSON. A process of its own, since it is connected to a Ray of its own.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster
from small_runs import recipe

from googlenet.distributed.downpour.leader import Leader
from googlenet.distributed.downpour.options import Downpour
from googlenet.training.run import train

NOTICED_SOON = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}


def main(data: str, folder: str, kills: int) -> None:
    quiet = {"include_dashboard": False}
    cluster = Cluster(head_node_args={"num_cpus": 0, "_system_config": NOTICED_SOON, **quiet}, initialize_head=True)
    nodes = [cluster.add_node(num_cpus=1) for _ in range(3)]
    ray.init(address=cluster.address, logging_level="error", log_to_driver=False)
    metrics, chance, over = Path(folder) / "metrics.jsonl", random.Random(0), threading.Event()
    killed: list[int] = []

    def kill() -> None:
        after = 4
        while len(killed) < kills and not over.is_set():
            if lines(metrics) >= after:
                gone: Any = nodes.pop(chance.randrange(len(nodes)))
                os.kill(gone.all_processes["raylet"][0].process.pid, signal.SIGKILL)
                killed.append(lines(metrics))
                nodes.append(cluster.add_node(num_cpus=1))
                after = lines(metrics) + 8
            time.sleep(0.05)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    chosen = recipe(epochs=2 * kills + 2, rate=2e-4, evaluate_every=1000)
    options = Downpour(replicas=2, shards=2, keep_every=5, replicate=True)
    summary = dict(train(data, chosen, output=folder, exchange=Leader(options)).summary)
    over.set()
    thread.join(60)
    print(json.dumps({**summary, "killed": killed}))
    ray.shutdown()
    cluster.shutdown()


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[2] / "training"))
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
