"""Replicas as a simulation has them, and two of them for real."""

import contextlib
import json
import os
import subprocess
import sys

import pytest
from clusters import cluster

from googlenet.distributed.downpour.options import Downpour
from googlenet.training.interruption import Interrupted

pytest.importorskip("ray", reason="Ray is not installed: pip install 'googlenet[cluster]'")

from googlenet.distributed.simulation import real_replicas as replicas


def test_options_are_those_of_the_simulated_exchange():
    of = cluster(push_every=3, bound=2, backups=0.25)
    assert replicas.options_of(of, "downpour-corrected", 4) == Downpour(4, fetch_every=3, push_every=3)
    bounded = Downpour(4, fetch_every=3, push_every=3, mitigation="bounded", bound=6)
    assert replicas.options_of(of, "downpour-bounded", 4) == bounded
    assert replicas.options_of(of, "backup", 4) == Downpour(4, mitigation="synchronous", backups=1)
    assert replicas.options_of(cluster(backups=0.9), "backup", 1).backups == 0


def test_an_interrupted_run_says_nothing_of_its_own(monkeypatch, capfd):
    def train(*_, **__):
        os.write(2, b"googlenet: stopping: the step at hand is finished and saved first")
        raise Interrupted("stopped after step 3 of 13, saved in a folder that is gone")

    monkeypatch.setattr(replicas, "connected", contextlib.nullcontext)
    monkeypatch.setattr(replicas, "_link", lambda *_: (0.1, 1e9))
    monkeypatch.setattr(replicas, "train", train)
    with pytest.raises(KeyboardInterrupt) as stop:
        replicas.measure_replicas(cluster(network="googlenet-tiny", batch_size=2), "downpour", 2, 1)
    assert (type(stop.value), str(stop.value), stop.value.__suppress_context__) == (KeyboardInterrupt, "", True)
    assert capfd.readouterr() == ("", "")


def test_two_real_replicas_are_measured():
    """In a process of its own, since one can have but one Ray."""
    command = "from googlenet.distributed.simulation.cluster import Cluster;"
    command += "from googlenet.distributed.simulation.real_replicas import measure_replicas;"
    command += "from googlenet.records import encode; import json;"
    command += "of = Cluster(network='googlenet-tiny', batch_size=2);"
    command += "print(json.dumps(encode(measure_replicas(of, 'downpour', 2, 1))))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["workers"], found["threads"], found["images"]) == (2, 1, 4)
    assert len(found["steps"]) == replicas.STEPS
    assert min(found["steps"]) > 0
    assert 0 < found["latency"] < 1
    assert found["bytes_per_second"] > 0
    assert found["update"] > 0
