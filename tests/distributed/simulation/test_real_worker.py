"""A real worker that is interrupted: how it ends, and what is heard of it."""

import os
from pathlib import Path

from googlenet.distributed.simulation import real_worker
from googlenet.training.interruption import Interrupted


def test_a_worker_that_is_interrupted_ends_in_silence(tmp_path, monkeypatch, capfd):
    places = []

    def train(*_, output, **__):
        places.append(Path(output).parent)
        os.write(2, b"googlenet: stopping: the step at hand is finished and saved first")
        raise Interrupted(f"stopped after step 3 of 13, saved in {output}")

    monkeypatch.setattr(real_worker, "train", train)
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert real_worker.main([str(tmp_path / "measured.json"), "googlenet-tiny", "2", "3"]) == 130
    assert places == [tmp_path]  # which goes with whoever started the worker
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
