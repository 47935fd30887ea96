"""A Ray cluster to train on: one that is there, or one that is started here for the run and leaves nothing behind."""

import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from googlenet.distributed.downpour.options import Downpour
from googlenet.errors import InputError, shown
from googlenet.machine import processor
from googlenet.training.exchange import Exchange

__all__ = ["connected", "import_ray"]

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # what its daemons say of lost workers would go to standard output
}
"""What Ray is told, unless a user has told it something else: to keep to itself."""

QUIET: dict[str, Any] = {"logging_level": "error", "log_to_driver": False}

ANSWER = 10.0
"""Seconds in which an address answers, or does not."""

TRIES = 3
"""A machine that is very busy may take longer for a start than Ray gives itself."""


def import_ray(for_what: str, else_: str = "") -> Any:
    """Return Ray, told what it is told here. Raises `InputError` where it is missing, which may say what else to do."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError:
        raise InputError(f"{for_what} needs Ray: pip install 'googlenet[cluster]'{else_}") from None
    return ray


@contextmanager
def connected(options: Downpour, wire: str = "float32") -> Iterator[Exchange]:
    """Give the exchange of a run that Ray's actors train, for the length of a block.

    Raises `InputError` where Ray is not installed or cannot be started, or no cluster answers at the address.
    """
    ray = import_ray("--exchange downpour")
    from googlenet.distributed.downpour.leader import Leader

    folder, cores = None, None
    try:
        with _signals_as_they_were():
            if options.address is None:
                folder, cores = tempfile.mkdtemp(prefix="googlenet-", dir=_place()), processor().cores
                _start(ray, max(cores, options.replicas), folder)
            else:
                _join(ray, options.address)
        try:
            yield Leader(options, wire, cores=cores)
        finally:
            ray.shutdown()
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _start(ray: Any, processors: int, folder: str) -> None:
    for left in reversed(range(TRIES)):
        try:
            ray.init(address="local", num_cpus=processors, include_dashboard=False, _temp_dir=folder, **QUIET)
            return
        except Exception as error:  # of many kinds, also Exception itself
            ray.shutdown()
            if not left:
                raise InputError(f"Ray could not be started on this machine ({_first_line(error)})") from None


def _join(ray: Any, address: str) -> None:
    mend = "start one with: ray start --head"
    if address != "auto":
        host, _, port = address.rpartition(":")
        if not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise InputError(f"address {shown(address)}: give auto, or HOST:PORT of a Ray cluster")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER).close()
        except OSError as error:
            why = error.strerror or error
            raise InputError(f"address {shown(address)}: no Ray cluster answers there ({why}); {mend}") from None
    try:
        ray.init(address=address, **QUIET)
    except Exception as error:
        with suppress(Exception):
            ray.shutdown()
        why = _first_line(error)
        raise InputError(f"address {shown(address)}: no Ray cluster can be joined there ({why}); {mend}") from None


@contextmanager
def _signals_as_they_were() -> Iterator[None]:
    """Keep Ray from answering SIGTERM by ending the process, where the run is to be saved first."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _place() -> str | None:
    """Where Ray's sockets lie, whose paths may have 107 bytes, of which Ray itself takes most."""
    return None if len(tempfile.gettempdir()) <= _LONGEST or not Path("/tmp").is_dir() else "/tmp"


_LONGEST = 20


def _first_line(error: BaseException) -> str:
    return shown(next((line for line in str(error).splitlines() if line.strip()), type(error).__name__), 160)
