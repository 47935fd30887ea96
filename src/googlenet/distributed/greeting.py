"""The processes of one start find each other in a store that may have served others before.

torchrun's store outlives the processes that it starts again, and keeps the addresses of the dead, to which those of the
next start would connect. So each greets the first under a name of its own, and goes on where that one has seen it.
"""

import json
import time
import uuid
from datetime import timedelta

from torch.distributed import PrefixStore, Store

__all__ = ["fresh"]

_PAUSE = 0.05


def fresh(store: Store, rank: int, size: int, patience: timedelta) -> Store:
    """Return a part of `store` that the processes of this start alone use.

    Raises `TimeoutError` where some of them do not come.
    """
    own, end = uuid.uuid4().hex, time.monotonic() + patience.total_seconds()
    others = range(1, size)
    if rank:
        store.set(f"here {rank}", own)
    while time.monotonic() < end:
        if rank == 0:
            greeted = [store.get(f"here {one}").decode() for one in others if store.check([f"here {one}"])]
            store.set("welcome", json.dumps([own, *greeted]))
            if all(store.check([f"{own} {one}"]) for one in others):
                return PrefixStore(own, store)
        elif store.check(["welcome"]):
            first, *greeted = json.loads(store.get("welcome"))
            if own in greeted:  # by a first process that lives, then
                store.set(f"{first} {rank}", "")
                return PrefixStore(first, store)
        time.sleep(_PAUSE)
    raise TimeoutError("not all processes have come")
