"""A run over three Ray nodes of this machine, of which one after the other is killed and replaced.

    python nodes.py DATA FOLDER KILLS

Prints the summary as JSON. A process of its own, since it is connected to a Ray of its own.
"""

import json
import os
import random
import signal
import sys
from collections.abc import Iterator
from typing import Any

import ray
from ray.cluster_utils import Cluster
from small_runs import recipe

from googlenet.distributed.downpour.crew import Crew
from googlenet.distributed.downpour.leader import Leader
from googlenet.distributed.downpour.options import Downpour
from googlenet.distributed.downpour.replica import Report
from googlenet.distributed.downpour.slices import Slices
from googlenet.training.run import train
from googlenet.training.step import Step
from googlenet.training.work import Work

NOTICED_SOON = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}


class Killing(Leader):
    """Kills the node of a random replica, shard or copy before every tenth step, and puts another in its place."""

    def __init__(self, options: Downpour, cluster: Cluster, kills: int) -> None:
        super().__init__(options)
        self._cluster, self._kills, self._chance = cluster, kills, random.Random(0)
        self.killed: list[int] = []

    def _stretch(self, work: Work, crew: Crew, slices: Slices, begin: int) -> Iterator[Step]:
        self._crew = crew
        return super()._stretch(work, crew, slices, begin)

    def _step(self, work: Work, number: int, place: int, report: Report | None) -> Step:
        if number % 10 == 4 and len(self.killed) < self._kills:
            self._kill()
            self.killed.append(number)
        return super()._step(work, number, place, report)

    def _kill(self) -> None:
        actors: list[Any] = [member.actor for member in self._crew._members.values() if member.is_running]
        actors += [actor for place in self._crew._places for actor in (place.actor, place.mirror) if actor is not None]
        where = ray.get(self._chance.choice(actors).__ray_call__.remote(node_id))
        nodes = [node for node in self._cluster.list_all_nodes() if not node.head]
        gone = next((node for node in nodes if node.node_id == where), nodes[0])
        os.kill(gone.all_processes["raylet"][0].process.pid, signal.SIGKILL)
        self._cluster.worker_nodes.discard(gone)
        self._cluster.add_node(num_cpus=1)


def node_id(actor: Any) -> str:
    return str(ray.get_runtime_context().get_node_id())


def main(data: str, folder: str, kills: int) -> None:
    head = {"num_cpus": 0, "_system_config": NOTICED_SOON, "include_dashboard": False}
    cluster = Cluster(head_node_args=head, initialize_head=True)
    for _ in range(3):
        cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, logging_level="error", log_to_driver=False)
    leader = Killing(Downpour(replicas=2, shards=2, keep_every=5, replicate=True), cluster, kills)
    chosen = recipe(epochs=-(-10 * (kills + 1) // 6), rate=2e-4, save_minutes=10.0)
    summary = dict(train(data, chosen, output=folder, exchange=leader).summary)
    print(json.dumps({**summary, "killed": leader.killed}))
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
