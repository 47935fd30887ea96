"""What a pickled state dict would allocate and call, read from its opcodes without doing any of it.

`torch.load(weights_only=True)` runs no foreign code, but it believes the sizes that a file declares, and some calls
that it allows can be made to take all memory. So the opcodes are walked first, in the few forms that a state dict
takes, and only a file that this finds harmless is given to torch.
"""

import pickletools
from dataclasses import dataclass, field
from typing import Any

from googlenet.errors import InputError, shown

__all__ = ["Pickle", "Storage", "walk"]

MOST_OPERATIONS = 200_000
"""Opcodes of one pickle; a published state dict has under 12,000."""

MOST_AXES = 32

STORAGES = {
    "torch FloatStorage": 4,
    "torch HalfStorage": 2,
    "torch BFloat16Storage": 2,
    "torch DoubleStorage": 8,
    "torch LongStorage": 8,
    "torch IntStorage": 4,
    "torch BoolStorage": 1,
    "torch ByteStorage": 1,
}
"""Bytes of a number."""

CALLS = ("collections OrderedDict", "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter")


@dataclass(frozen=True)
class Storage:
    """A run of numbers that the pickle refers to by `key`; also stands for the tensors that lie in it."""

    key: str
    count: int
    itemsize: int

    @property
    def bytes(self) -> int:
        return self.count * self.itemsize


@dataclass(frozen=True)
class Pickle:
    """A walked pickle: its value, with storages in place of tensors, the storages by key, and its length in bytes."""

    value: Any
    storages: dict[str, Storage]
    length: int


def walk(data: bytes, where: str) -> Pickle:
    """Walk one pickle at the beginning of `data`.

    Raises `InputError` that begins with `where` for anything but dictionaries and lists of plain values and tensors,
    each within its storage.
    """
    walker = _Walker(where)
    try:
        for number, (opcode, argument, position) in enumerate(pickletools.genops(data)):
            if number >= MOST_OPERATIONS:
                raise InputError(f"{where}: over {MOST_OPERATIONS:,} steps, which no state dict takes; save it alone")
            if opcode.name == "STOP":
                return Pickle(walker.stack.pop(), walker.storages, (position or 0) + 1)
            walker.step(opcode.name, argument)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, Warning) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{where}: damaged: not a pickled state dict ({shown(str(error))})") from None
    raise InputError(f"{where}: damaged: the pickle does not end")


@dataclass(frozen=True)
class _Global:
    name: str


@dataclass
class _Walker:
    """The stack, marks and memo of an unpickler, without its powers."""

    where: str
    stack: list[Any] = field(default_factory=list)
    below: list[list[Any]] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    storages: dict[str, Storage] = field(default_factory=dict)

    def step(self, name: str, argument: Any) -> None:
        stack = self.stack
        match name:
            case "PROTO":
                pass
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[name])
            case "BINUNICODE" | "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                stack.append(argument)
            case "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE":
                stack.append({"EMPTY_DICT": {}, "EMPTY_LIST": [], "EMPTY_TUPLE": ()}[name])
            case "MARK":
                self.below.append(stack)
                self.stack = []
            case "TUPLE":
                self._above_mark(lambda target, items: target.append(tuple(items)))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(name[-1])
                stack[-count:] = [(*stack[-count:],)]
            case "SETITEMS":
                self._above_mark(lambda target, items: self._set(target[-1], items))
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self._set(stack[-1], [key, value])
            case "APPENDS":
                self._above_mark(lambda target, items: self._list(target[-1]).extend(items))
            case "APPEND":
                item = stack.pop()
                self._list(stack[-1]).append(item)
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "GLOBAL":
                stack.append(self._global(argument))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(self._call(function, arguments))
            case "BUILD":
                stack.pop()
            case "BINPERSID":
                stack.append(self._storage(stack.pop()))
            case _:
                raise ValueError(f"opcode {name}")

    def _above_mark(self, use: Any) -> None:
        items, self.stack = self.stack, self.below.pop()
        use(self.stack, items)

    def _set(self, target: Any, items: list[Any]) -> None:
        if type(target) is not dict or len(items) % 2:
            raise ValueError("items of something that is no dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in (str, int):  # others may take forever to hash
                raise ValueError("a key that is neither text nor a number")
            target[key] = value

    def _list(self, target: Any) -> list[Any]:
        if type(target) is not list:
            raise ValueError("items of something that is no list")
        return target

    def _global(self, name: str) -> _Global:
        if name not in STORAGES and name not in CALLS:
            mend = "save the model's state_dict() alone"
            raise InputError(f"{self.where}: holds {shown(name.replace(' ', '.'))} and not tensors alone; {mend}")
        return _Global(name)

    def _call(self, function: Any, arguments: Any) -> Any:
        if function == _Global("collections OrderedDict") and arguments == ():
            return {}
        if function == _Global("torch._utils _rebuild_tensor_v2") and len(arguments) in (6, 7):
            return self._tensor(*arguments[:4])
        if function == _Global("torch._utils _rebuild_parameter") and isinstance(arguments[0], Storage):
            return arguments[0]
        raise ValueError("a call that no state dict makes")

    def _tensor(self, storage: Any, offset: Any, sizes: Any, strides: Any) -> Storage:
        if not isinstance(storage, Storage) or not len(sizes) == len(strides) <= MOST_AXES:
            raise ValueError("a tensor without a storage, or of too many dimensions")
        if any(type(number) is not int or number < 0 for number in (offset, *sizes, *strides)):
            raise ValueError("a tensor of a shape that there is not")
        last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
        if 0 not in sizes and last >= storage.count:
            raise ValueError(f"a tensor reaches over its storage of {storage.count:,} numbers")
        return storage

    def _storage(self, reference: Any) -> Storage:
        """Read ("storage", type, key, device, count), with None behind it in old files."""
        word, kind, key, _, count, *rest = reference
        if word != "storage" or rest not in ([], [None]) or type(key) is not str or type(count) is not int:
            raise ValueError("a reference to something that is no storage")
        storage = Storage(key, count, STORAGES[kind.name])
        if count < 0 or self.storages.setdefault(key, storage) != storage:
            raise ValueError(f"storage {key} is there with two sizes")
        return storage
