"""A run by parameter shards over three machines, of which one is cut off in the middle and comes back.

    python benchmarks/node_cut_off.py FOLDER [--arms undisturbed unplugged ...] [--json FILE]

A machine is a process with namespaces of its own for network, mounts, processes and shared memory; a bridge joins them,
and cutting one off is taking its end of the cable down (Linux, as root; /tmp and the cache folder are each machine's
own). On each runs a node of Ray with one processor, started again whenever it ends, as a service would be; a run has
three replicas and three shards there. FOLDER, which may not lie in /tmp, keeps the runs and what was said.

Times are in seconds. What is printed of an arm: how long after the cut the loss was noticed; the steps of the run from
the cut until then, from then until the machine could be reached again, and after that; the longest time without a step;
how long after the machine could be reached again its replica computed; what was lost; how the run ended.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from googlenet import machine
from googlenet.files import atomic_write
from googlenet.reporting.console import table

BRIDGE, NETWORK, PORT = "googlenet-cut", "10.77.0", 6379
RAY = [sys.executable, "-m", "ray.scripts.scripts"]
RECIPE = "--network googlenet-tiny --width 0.5 --batch-size 8 --epochs 12 --schedule one-cycle --rate 0.004 --workers 0"
RECIPE += " --sampling none --distortion none --no-mirror --log-every 1 --save-minutes 60 --evaluate-every 100"
DOWNPOUR = "--exchange downpour --replicas 3 --shards 3 --keep-every 20"
START = 180.0
"""Seconds in which a node starts."""

PATIENCE = 1800.0


@dataclass(frozen=True)
class Arm:
    """What happens to the third machine: its cable, or all its processes, are gone for so many seconds."""

    name: str
    seconds: float = 0.0
    killed: bool = False
    options: tuple[str, ...] = ()


ARMS = [
    Arm("undisturbed"),
    Arm("unplugged for a moment", 8),
    Arm("unplugged", 90),
    Arm("unplugged, shards kept twice", 90, options=("--replicate",)),
    Arm("killed", 30, killed=True),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--at", type=int, default=300, help="step after which the machine is cut off")
    parser.add_argument("--arms", nargs="+", default=[arm.name for arm in ARMS], choices=[arm.name for arm in ARMS])
    parser.add_argument("--recipe", default=RECIPE)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = {}
    for arm in ARMS:
        if arm.name in options.arms:
            found[arm.name] = Trial(arm, options.folder.absolute(), options.data, options.recipe, options.at).result()
            print(json.dumps({arm.name: found[arm.name]}), file=sys.stderr)
    print(f"{machine.processor()}; the machine is cut off after step {options.at}")
    print(
        table(
            ["", *found], [[name, *(str(one[name]) for one in found.values())] for name in next(iter(found.values()))]
        )
    )
    if options.json:
        content = {"command": sys.argv, "machine": str(machine.processor()), "arms": found}
        with atomic_write(options.json) as file:
            file.write((json.dumps(content, indent=1) + "\n").encode())


class Host:
    """A machine in miniature, numbered from 1; it ends, with all that runs on it, when this process does."""

    def __init__(self, number: int) -> None:
        self.address, self._cable = f"{NETWORK}.{number}", f"{BRIDGE}-{number}"
        self.is_on = True
        """Whether what ends here is started again."""
        inside = "mount -t tmpfs none /tmp && mount -t tmpfs none /dev/shm && echo && read -r line"
        apart = ["unshare", "--net", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc"]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._life = subprocess.Popen([*apart, "bash", "-c", inside], **pipes)
        assert self._life.stdout is not None
        self._life.stdout.readline()
        self._first = int(Path(f"/proc/{self._life.pid}/task/{self._life.pid}/children").read_text().split()[0])
        ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", str(self._first))
        ip("link", "set", self._cable, "master", BRIDGE, "up")
        for words in (f"address add {self.address}/24 dev eth0", "link set eth0 up", "link set lo up"):
            self.start(["ip", *words.split()]).wait()

    def start(self, command: Sequence[str], **pipes: Any) -> "subprocess.Popen[str]":
        """Start a command on this machine."""
        enter = ["nsenter", "--target", str(self._first), "--net", "--mount", "--pid", "--ipc", "--"]
        own = {"GOOGLENET_CACHE": "/tmp/googlenet", "OMP_NUM_THREADS": "1"}
        own |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "RAY_worker_niceness": "0"}
        return subprocess.Popen([*enter, *command], env=os.environ | own, text=True, **pipes)

    def serve(self, head: str, log: Path) -> None:
        """Start a node of Ray, the first one at the address of `head`, and all of it anew whenever it ends."""
        where = ["--head", f"--port={PORT}", "--include-dashboard=false"]
        if head != self.address:
            where = [f"--address={head}:{PORT}"]
        own = [f"--node-ip-address={self.address}", "--num-cpus=1", "--object-store-memory=200000000", "--block"]

        def keep() -> None:
            with log.open("a") as file:
                while self._life.poll() is None:
                    if self.is_on:
                        self.start([*RAY, "start", *where, *own], stdout=file, stderr=file).wait()
                    with suppress(FileNotFoundError):  # the machine itself has ended
                        self.kill()
                    time.sleep(1)

        threading.Thread(target=keep, daemon=True).start()
        begun = time.monotonic()
        while not log.exists() or "Ray runtime started" not in log.read_text():
            if time.monotonic() > begun + START:
                raise SystemExit(
                    f"the node of {self.address} has not started in {START:.0f} s; {log} may say why. Each machine has"
                    " a /tmp of its own: neither Python nor FOLDER may lie in that of this one"
                )
            time.sleep(0.5)

    def away(self, *, killed: bool) -> None:
        """Be cut off from the others, or have all processes killed."""
        self.is_on = not killed
        if killed:
            self.kill()
        else:
            ip("link", "set", self._cable, "down")

    def back(self) -> None:
        self.is_on = True
        ip("link", "set", self._cable, "up")

    def processes(self) -> dict[int, str]:
        """The processes here but the first, with their names."""
        own, found = os.readlink(f"/proc/{self._first}/ns/pid"), {}  # noqa: PTH115
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended meanwhile
                if os.readlink(entry / "ns/pid") == own and int(entry.name) != self._first:  # noqa: PTH115
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def actors(self) -> list[str]:
        """What of a run is here."""
        return sorted(name.split()[0].removeprefix("ray::") for name in self.processes().values() if "Actor" in name)

    def kill(self) -> None:
        for process in self.processes():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def end(self) -> None:
        self._life.communicate()


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@contextmanager
def hosts(count: int, logs: Path) -> Iterator[list[Host]]:
    """Give machines with nodes of Ray, which are gone afterwards."""
    with ExitStack() as stack:
        for name in (BRIDGE, *(f"{BRIDGE}-{number}" for number in range(1, count + 1))):  # of one that was killed
            subprocess.run(["ip", "link", "delete", name], stderr=subprocess.DEVNULL)
        ip("link", "add", BRIDGE, "type", "bridge")
        stack.callback(ip, "link", "delete", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        found = []
        for number in range(1, count + 1):
            found.append(Host(number))
            stack.callback(found[-1].end)
        for number, host in enumerate(found, 1):
            host.serve(found[0].address, logs / f"node-{number}.log")
        yield found


@dataclass
class Trial:
    """One run, watched from outside."""

    arm: Arm
    folder: Path
    data: str
    recipe: str
    at: int
    steps: list[tuple[float, int]] = field(default_factory=list)
    """When each step was seen in metrics.jsonl, and whose it was."""
    said: list[tuple[float, str]] = field(default_factory=list)

    def result(self) -> dict[str, Any]:
        own = self.folder / self.arm.name.replace(" ", "-").replace(",", "")
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir(parents=True)
        with hosts(3, own) as machines:
            away = self._run(machines, own)
            time.sleep(5)
            left = sorted({name for host in machines for name in host.actors()})
        (own / "said.txt").write_text("".join(f"{when:8.1f} {line}" for when, line in self.said))
        return {**self._times(away), **self._losses(own / "run"), "left behind": ", ".join(left) or "nothing"}

    def _run(self, machines: list[Host], own: Path) -> tuple[float, float, int, int]:
        """Return when the machine went and came, and how many actors were there before and at the end."""
        lost, gone, back, before, after = machines[2], 0.0, 0.0, 0, 0
        command = [sys.executable, "-m", "googlenet", "train", self.data, "-o", str(own / "run"), *self.recipe.split()]
        command += ["--validation", self.data, *DOWNPOUR.split(), "--address", f"{machines[0].address}:{PORT}"]
        leader = machines[0].start([*command, *self.arm.options], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        listener = threading.Thread(target=self._listen, args=(leader,), daemon=True)
        listener.start()
        begun = look = time.monotonic()
        place = 0
        while leader.poll() is None and time.monotonic() < begun + PATIENCE:
            time.sleep(0.1)
            place = self._read(own / "run/metrics.jsonl", place)
            now = time.monotonic()
            if self.arm.seconds and not gone and len(self.steps) >= self.at:
                before, gone = len(lost.actors()), now
                lost.away(killed=self.arm.killed)
            elif gone and not back and now >= gone + self.arm.seconds:
                back = now
                lost.back()
            if now >= look:
                after, look = len(lost.actors()), now + 2
        leader.kill()
        leader.wait()
        listener.join(5)
        self.steps = [(when - begun, who) for when, who in self.steps]
        self.said = [(when - begun, line) for when, line in self.said]
        return gone - begun, back - begun, before, after

    def _listen(self, leader: "subprocess.Popen[str]") -> None:
        assert leader.stderr is not None
        for line in leader.stderr:
            self.said.append((time.monotonic(), line))
            print(line, end="", file=sys.stderr)

    def _read(self, metrics: Path, place: int) -> int:
        if not metrics.exists():
            return place
        with metrics.open("rb") as file:
            file.seek(place)
            lines = file.read().rpartition(b"\n")[0].splitlines()
        now = time.monotonic()
        for line in lines:
            record = json.loads(line)
            if record["event"] == "step":
                self.steps.append((now, record["exchange"]["replica"]))
        return place + sum(len(line) + 1 for line in lines)

    def _times(self, away: tuple[float, float, int, int]) -> dict[str, Any]:
        gone, back, before, after = away
        end = self.steps[-1][0] if self.steps else 0.0
        rows: dict[str, Any] = {"seconds of steps": round(end - self.steps[0][0], 1)}
        if not self.arm.seconds:
            gone = back = end
        losses = [(when, line) for when, line in self.said if "was lost" in line and when > gone]
        noticed = losses[0][0] if losses else None
        places = {int(line.split()[1]) for _, line in losses if line.startswith("replica")}
        again = next((when for when, who in self.steps if who in places and when > max(back, noticed or 0)), None)
        until = noticed or back
        pauses = [later[0] - sooner[0] for sooner, later in zip(self.steps, self.steps[1:], strict=False)]
        return rows | {
            "noticed after": None if noticed is None else round(noticed - gone, 1),
            "steps until noticed": self._between(gone, min(until, end)),
            "steps from then until back": self._between(until, back),
            "steps after that": self._between(back, end),
            "longest time without a step": round(max(pauses), 1),
            "its replica computes again after": None if again is None else round(again - back, 1),
            "actors there before, at the end": f"{before}, {after}" if self.arm.seconds else "",
        }

    def _between(self, begin: float, end: float) -> int:
        return sum(begin < when <= end for when, _ in self.steps)

    def _losses(self, run: Path) -> dict[str, Any]:
        records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        steps = [record for record in records if record["event"] == "step"]
        names = ["lost_replicas", "lost_pushes", "lost_shards", "lost_updates"]
        rows: dict[str, Any] = {
            "steps": len(steps),
            "each once": [one["step"] for one in steps] == [*range(1, len(steps) + 1)],
        }
        rows["batches without a gradient"] = sum(not one["images"] for one in steps)
        if not (run / "summary.json").exists():
            return rows | dict.fromkeys(names) | {"loss": None, "top-1": None}
        summary = json.loads((run / "summary.json").read_text())
        rows |= {name: summary["exchange"][name] for name in names}
        measured = summary["evaluation"][summary["weights"]]
        return rows | {"loss": round(measured["loss"], 4), "top-1": round(measured["top1"], 4)}


if __name__ == "__main__":
    main()
