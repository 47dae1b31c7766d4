"""Reads a pickle as data: nothing in the file can make anything run.

Python's own unpickler imports what a file names and calls what it says; even with a filter on
names it sets attributes on whatever it found, and takes objects from a cache that no filter
sees. This one interprets the opcodes itself. A name in the file stays a name (`Global`), an object
stays a record of its class and state (`Record`), and a call is done only for the few functions in
`CALLS`, whose meaning is written here. Source of the opcodes: PEP 307, PEP 3154.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO, Any

from calibration.checkpoints.calls import CALLS, key_of, mapping_of, record_of, set_of
from calibration.checkpoints.pickled import Global, Record, Storage
from edge.errors import ModelError


@dataclass(slots=True)
class Contents:
    """What a pickle holds.

    Attributes:
        root: The object.
        refused: Calls that the file asks for and that were not done.
        storages: What it refers to outside of it, by key.
    """

    root: Any
    refused: list[str]
    storages: dict[str, Storage]


_MARK = object()
_NAME = re.compile(r"[\w<>]+(\.[\w<>]+)*")  # of a module, class or function
_PYTHON2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}


def unpickle(file: IO[bytes]) -> Contents:
    """Read one pickle, up to its end.

    Raises:
        ModelError: The bytes are no pickle, are cut off, or hold what no checkpoint needs.
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(file):
            if opcode.name == "STOP":
                return Contents(machine.pop(), machine.refused, machine.storages)
            machine.step(opcode.name, argument)
    except ModelError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError) as error:
        # What the opcode parser and mismatched stacks give; the bytes are not of a pickler.
        raise ModelError(f"damaged pickle: {str(error) or type(error).__name__}") from error
    raise ModelError("damaged pickle: it has no end")


class _Machine:
    """The stack machine that a pickle is a program for."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.refused: list[str] = []
        self.storages: dict[str, Storage] = {}

    def pop(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise ModelError("damaged pickle: it takes from an empty stack")
        return self.stack.pop()

    def pop_mark(self) -> list[Any]:
        values = []
        while self.stack and self.stack[-1] is not _MARK:
            values.append(self.stack.pop())
        if not self.stack:
            raise ModelError("damaged pickle: a mark is missing")
        self.stack.pop()
        return values[::-1]

    def top(self) -> Any:
        value = self.pop()
        self.stack.append(value)
        return value

    def step(self, name: str, argument: Any) -> None:
        """Do one opcode."""
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name](argument))
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise ModelError(f"the pickle uses {name}, which no checkpoint needs")

    def mark(self, _: Any) -> None:
        self.stack.append(_MARK)

    def drop(self, _: Any) -> None:
        if not self.stack:
            raise ModelError("damaged pickle: it takes from an empty stack")
        self.stack.pop()

    def drop_marked(self, _: Any) -> None:
        self.pop_mark()

    def put(self, index: Any) -> None:
        self.memo[len(self.memo) if index is None else int(index)] = self.top()

    def get(self, index: Any) -> None:
        self.stack.append(self.memo[int(index)])

    def collect(self, make: Callable[[list[Any]], Any], count: int | None) -> None:
        """Replace the last `count` values, or those after the mark, by what `make` gives."""
        values = self.pop_mark() if count is None else [self.pop() for _ in range(count)][::-1]
        self.stack.append(make(values))

    def add(self, values: Sequence[Any]) -> None:
        target = self.top()
        if isinstance(target, set):
            target.update(key_of(value) for value in values)
        elif isinstance(target, list):
            target.extend(values)
        elif isinstance(target, Record):
            target.items.extend(values)
        else:
            raise ModelError(f"the pickle appends to a {type(target).__name__}")

    def assign(self, pairs: Sequence[tuple[Any, Any]]) -> None:
        target = self.top()
        if isinstance(target, dict):
            target.update((key_of(key), value) for key, value in pairs)
        elif isinstance(target, Record):
            target.items.extend(pairs)
        else:
            raise ModelError(f"the pickle sets items of a {type(target).__name__}")

    def find(self, module: Any, name: Any) -> None:
        for part in (module, name):
            if not isinstance(part, str) or not _NAME.fullmatch(part):
                raise ModelError("the pickle names a class by something that is no name")
        self.stack.append(Global(f"{_PYTHON2.get(module, module)}.{name}"))

    def call(self, function: Any, args: Any) -> None:
        if not isinstance(function, Global) or not isinstance(args, tuple):
            raise ModelError("the pickle calls something that is no function by name")
        if function.name in CALLS:
            self.stack.append(CALLS[function.name](*args))
        else:
            self.refused.append(function.name)
            self.stack.append(Record(function.name, args))

    def make(self, cls: Any, args: Any) -> None:
        self.stack.append(record_of(cls, *args))

    def build(self, _: Any) -> None:
        state = self.pop()
        target = self.top()
        if isinstance(state, tuple):  # attributes, and attributes in slots
            parts = [part for part in state if isinstance(part, dict)]
            state = {key: value for part in parts for key, value in part.items()}
        if isinstance(target, Record) and isinstance(state, dict):
            target.state = {key: value for key, value in state.items() if isinstance(key, str)}
        elif isinstance(target, Global):
            self.refused.append(f"attributes of {target.name}")

    def persistent(self, what: Any) -> None:
        """A reference out of the pickle: torch keeps numbers, and old files classes, there."""
        match what:
            case ("storage", Global(name), str(key), _location, int(count), *view) if not any(
                part is not None for part in view
            ):
                storage = Storage(key, name.removeprefix("torch."), count)
                self.storages[storage.key] = storage
                self.stack.append(storage)
            case ("module", Global() as cls, *_source):
                self.stack.append(cls)
            case _:
                raise ModelError("the pickle refers to something that is no storage of torch")


def _pairs(values: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(values[::2], values[1::2], strict=True))


_CONSTANTS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "NONE": lambda _: None,
        "NEWTRUE": lambda _: True,
        "NEWFALSE": lambda _: False,
        "EMPTY_LIST": lambda _: [],
        "EMPTY_DICT": lambda _: {},
        "EMPTY_TUPLE": lambda _: (),
        "EMPTY_SET": lambda _: set(),
    }
    | {
        name: lambda value: value
        for name in (
            *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"),
            *("FLOAT", "BINFLOAT", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
            *("STRING", "BINSTRING", "SHORT_BINSTRING"),
            *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        )
    }
)

_STEPS: Mapping[str, Callable[[_Machine, Any], None]] = MappingProxyType(
    {
        "MARK": _Machine.mark,
        "POP": _Machine.drop,
        "POP_MARK": _Machine.drop_marked,
        "DUP": lambda machine, _: machine.stack.append(machine.top()),
        "PUT": _Machine.put,
        "BINPUT": _Machine.put,
        "LONG_BINPUT": _Machine.put,
        "MEMOIZE": _Machine.put,
        "GET": _Machine.get,
        "BINGET": _Machine.get,
        "LONG_BINGET": _Machine.get,
        "TUPLE1": lambda machine, _: machine.collect(tuple, 1),
        "TUPLE2": lambda machine, _: machine.collect(tuple, 2),
        "TUPLE3": lambda machine, _: machine.collect(tuple, 3),
        "TUPLE": lambda machine, _: machine.collect(tuple, None),
        "LIST": lambda machine, _: machine.collect(list, None),
        "DICT": lambda machine, _: machine.collect(lambda x: mapping_of(_pairs(x)), None),
        "FROZENSET": lambda machine, _: machine.collect(lambda x: frozenset(set_of(x)), None),
        "APPEND": lambda machine, _: machine.add([machine.pop()]),
        "APPENDS": lambda machine, _: machine.add(machine.pop_mark()),
        "ADDITEMS": lambda machine, _: machine.add(machine.pop_mark()),
        "SETITEM": lambda machine, _: machine.assign(_pairs([machine.pop(), machine.pop()][::-1])),
        "SETITEMS": lambda machine, _: machine.assign(_pairs(machine.pop_mark())),
        "GLOBAL": lambda machine, text: machine.find(*text.split(" ", 1)),
        "STACK_GLOBAL": lambda machine, _: machine.find(*[machine.pop(), machine.pop()][::-1]),
        "REDUCE": lambda machine, _: machine.call(*[machine.pop(), machine.pop()][::-1]),
        "NEWOBJ": lambda machine, _: machine.make(*[machine.pop(), machine.pop()][::-1]),
        "NEWOBJ_EX": lambda machine, _: machine.make(
            *[machine.pop(), machine.pop(), machine.pop()][:0:-1]
        ),
        "BUILD": _Machine.build,
        "BINPERSID": lambda machine, _: machine.persistent(machine.pop()),
    }
)
