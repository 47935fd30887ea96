"""A Ray cluster to train on: one that is there, or one that is started here for the run and leaves nothing behind."""

import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from googlenet.distributed.downpour.host import Host
from googlenet.distributed.downpour.options import Downpour
from googlenet.errors import InputError, counted, shown
from googlenet.machine import processor
from googlenet.reporting.console import say, scaled
from googlenet.signals import ended_by_signals
from googlenet.training.exchange import Exchange

__all__ = ["connected", "import_ray"]

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "error",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # what its daemons say of lost workers would go to standard output
}
"""What Ray is told, unless a user has told it something else: to keep to itself."""

QUIET: dict[str, Any] = {"logging_level": "error", "log_to_driver": False}

ANSWER = 10.0
"""Seconds in which an address answers, or does not."""

TRIES = 3
"""A machine that is very busy may take longer for a start than Ray gives itself."""

PRIVATE = "googlenet-"
"""What the folders of Rays begin with that were started for one run."""

LEAST_FREE = 4 << 20
"""Bytes that Ray's files, some of them logs, need at the least."""

TOKEN = "~/.ray/auth_token"
"""Where Ray keeps what a cluster asks of those who join it."""

START_ONE = "start one with: ray start --head"


def import_ray(for_what: str, else_: str = "", *, own: bool = True) -> Any:
    """Return Ray, told what it is told here: whether it is to be an `own` one, or others' is joined.

    Raises `InputError` where it is missing, which may say what else to do.
    """
    was_there = sys.modules.get("ray") is not None
    if was_there and sys.modules["ray"].is_initialized():
        return sys.modules["ray"]
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ |= _authentication(own)
    try:
        import ray
    except ImportError:
        raise InputError(f"{for_what} needs Ray: pip install 'googlenet[cluster]'{else_}") from None
    if was_there:
        with suppress(ImportError, AttributeError):
            inner: Any = import_module("ray._raylet")
            inner.Config.initialize("")  # it keeps what it has read of the environment
            inner.AuthenticationTokenLoader.instance().reset_cache()
    return ray


def _authentication(own: bool) -> dict[str, str]:
    """Have only this run enter an own Ray; that of others may ask for the token here, which Ray seldom gives."""
    if "RAY_AUTH_MODE" in os.environ:
        return {}
    if own:
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    is_there = (
        "RAY_AUTH_TOKEN" in os.environ or Path(os.environ.get("RAY_AUTH_TOKEN_PATH", TOKEN)).expanduser().exists()
    )
    return {"RAY_AUTH_MODE": "token"} if is_there else {}


@contextmanager
def connected(options: Downpour, wire: str = "float32") -> Iterator[Exchange]:
    """Give the exchange of a run that Ray's actors train, for the length of a block.

    SIGTERM and SIGHUP are as Ctrl-C in it. Raises `InputError` where Ray is not installed or cannot be started, or no
    cluster answers at the address.
    """
    ray = import_ray("--exchange downpour", own=options.address is None)
    from googlenet.distributed.downpour.leader import Leader

    with ended_by_signals() as again, ExitStack() as closing:
        cores = None
        if options.address is None:
            cores = processor().cores
            address = closing.enter_context(_own(ray, max(cores, options.replicas), options))
        else:
            address = _expect_answer(options.address)
            _expect_none(ray)
        closing.callback(ray.shutdown)
        _join(ray, address)
        again()
        if options.address is not None:
            _expect_public(ray, options.address)
        yield Leader(options, wire, cores=cores)


@contextmanager
def _own(ray: Any, processors: int, options: Downpour) -> Iterator[str]:
    """Give the address of a Ray that is there for a block."""
    say(f"starting Ray here for {counted(options.replicas, 'replicas')} and {counted(options.shards, 'shards')}")
    folder = tempfile.mkdtemp(prefix=PRIVATE, dir=_place())
    try:
        if (free := shutil.disk_usage(folder).free) < LEAST_FREE:
            where = Path(folder).parent
            raise InputError(f"{where}: {scaled(free, 'B')} free, too little for Ray; free some, or set TMPDIR")
        _expect_none(ray)
        host = _host(folder, processors)
        try:
            yield host.address
        finally:
            host.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _expect_none(ray: Any) -> None:
    if ray.is_initialized():
        raise InputError("this process has joined a Ray already, and can have but one; call ray.shutdown() first")


def _host(folder: str, processors: int) -> Host:
    for _ in range(TRIES - 1):
        with suppress(InputError):
            return Host(folder, processors)
    return Host(folder, processors)


def _expect_answer(address: str) -> str:
    """Return the address of the cluster that is meant; `InputError` where nobody answers there."""
    named = f"address {shown(address)}"
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", address)
        named = f"address auto, which is RAY_ADDRESS {shown(address)}"
    if address == "auto":
        return address
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not (port.isascii() and port.isdecimal()) or not 0 < int(port) < 65536:
        raise InputError(f"{named}: give auto, or HOST:PORT of a Ray cluster")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER).close()
    except OSError as error:
        raise InputError(f"{named}: no Ray cluster answers there ({error.strerror or error}); {START_ONE}") from None
    return address


def _join(ray: Any, address: str) -> None:
    try:
        ray.init(address=address, **QUIET)
    except SystemExit:  # Ray's answer to SIGTERM while it starts
        raise KeyboardInterrupt from None
    except Exception as error:  # of many kinds, also Exception itself
        why = _first_line(error)
        raise InputError(f"address {shown(address)}: no Ray cluster can be joined there ({why}); {START_ONE}") from None


def _expect_public(ray: Any, address: str) -> None:
    """Say which cluster was joined; `InputError` for one that another run has started for itself."""
    nodes = [node for node in ray.nodes() if node["Alive"]]
    if any(f"/{PRIVATE}" in str(node.get("RayletSocketName", "")) for node in nodes):
        raise InputError(f"address {address}: the Ray there is that of another run, which ends with it; {START_ONE}")
    processors = round(sum(node["Resources"].get("CPU", 0) for node in nodes))
    where = ray.get_runtime_context().gcs_address
    say(f"joined the Ray cluster at {where}: {counted(len(nodes), 'machines')}, {counted(processors, 'processors')}")


def _place() -> str | None:
    """Where Ray's sockets lie, whose paths may have 107 bytes, of which Ray itself takes most, and be ASCII."""
    usual = tempfile.gettempdir()
    return None if (usual.isascii() and len(usual) <= _LONGEST) or not Path("/tmp").is_dir() else "/tmp"


_LONGEST = 20


def _first_line(error: BaseException) -> str:
    return shown(next((line for line in str(error).splitlines() if line.strip()), type(error).__name__), 160)
