"""A pickle machine that executes nothing.

`pickletools.genops` of the standard library decodes the opcodes; the stack machine here gives them meaning
with plain data only. Nothing is imported and nothing named in the file is called: a global is a name, and
"calling" it is looking that name up in a table of constructors written for this project. The C unpickler is not
used because a hostile file can make it take memory (a memo index of 2**32) or overflow the C stack (a deeply nested
tuple as a dictionary key) before any allow-list is asked.

The rule for a global:

1. A name in the table `constructors` builds data of this project.
2. A name of the standard library that is neither there nor in `INERT` refuses the file on sight. Nothing in a
   checkpoint needs `os.system`, `builtins.eval` or `subprocess.Popen`.
3. A class of another package (its last name begins with a capital, as PEP 8 has it), a class of a TorchScript program
   or a name in `INERT` becomes a `Foreign` placeholder that swallows arguments and state.
4. Any other name is treated as a function: a mention is harmless, a call refuses the file.
"""

from __future__ import annotations

import pickletools
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Protocol

from lineage.checkpoints.io.quoting import quoted, reason
from lineage.errors import CheckpointError, Malformed, UnsupportedFormat

MAX_PICKLE = 64 << 20  # bytes; a state dict takes about 200 a tensor
MAX_OPCODES = 4_000_000  # about 30 a tensor
MAX_COPIED = 4 * MAX_PICKLE  # bytes handed to constructors, which may keep a copy
SHARDED = "torch.distributed._shard.sharded_tensor.api.ShardedTensor"
SCRIPTED = "__torch__."  # the package of the classes of a TorchScript program
_CLASS = re.compile(r"_*[A-Z]\w*")
_PYTHON_2 = frozenset({"__builtin__", "copy_reg", "commands", "exceptions", "popen2"})

INERT = frozenset(
    {
        "argparse.Namespace", "types.SimpleNamespace", "pathlib.Path", "pathlib.PosixPath", "pathlib.WindowsPath",
        "pathlib.PurePosixPath", "pathlib.PureWindowsPath", "pathlib._local.PosixPath", "pathlib._local.WindowsPath",
        "datetime.datetime", "datetime.date", "datetime.time", "datetime.timedelta", "datetime.timezone",
        "decimal.Decimal", "fractions.Fraction", "uuid.UUID", "_codecs.encode",
        "builtins.complex", "builtins.bytearray", "builtins.slice", "builtins.range", "builtins.object",
        "builtins.int", "builtins.float", "builtins.str", "builtins.bool", "builtins.bytes",
        "__builtin__.complex", "__builtin__.object", "__builtin__.int", "__builtin__.long", "__builtin__.float",
        "__builtin__.str", "__builtin__.unicode", "__builtin__.bool",
        "copyreg._reconstructor", "copy_reg._reconstructor",
        "numpy.dtype", "numpy.ndarray",
        "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.core.numeric._frombuffer",
        "numpy._core.numeric._frombuffer", "numpy.random._pickle.__randomstate_ctor",
        "numpy.random._pickle.__generator_ctor", "numpy.random._pickle.__bit_generator_ctor",
        "torch.device", "typing.Any", "typing.Dict", "typing.List", "typing.Union",
    }
)  # fmt: skip


class Global:
    """The name of a class or function in a pickle: only the name."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Foreign:
    """Stands for an object of a class that is not known here: its name, the items and the state it was given."""

    __slots__ = ("items", "name", "state")

    def __init__(self, name: str) -> None:
        self.name = name
        self.items: dict[Any, Any] = {}
        self.state: Any = None


class Stateful:
    """Stands for an object that only its pickled state makes complete; then `meaning` is what it is."""

    meaning: object = None

    def set_state(self, state: Any) -> None:
        """Take the state. Raises ValueError or TypeError for one that is not of its kind."""
        raise NotImplementedError


class Stream(Protocol):
    """Where a pickle is read from."""

    def read(self, size: int, /) -> bytes:
        """Read that many bytes."""

    def readline(self) -> bytes:
        """Read up to and with the next line feed."""

    def tell(self) -> int:
        """Give the position of the next byte."""


class Unpickler:
    """Reads pickles from `stream` into plain data, Foreign placeholders and what the `constructors` build.

    `constructors` maps a dotted name to a function of the pickled arguments; `persistent` gives a meaning to a
    persistent id (torch: a storage). Both signal bad arguments by ValueError or TypeError.
    """

    def __init__(
        self,
        path: Path,
        stream: Stream,
        constructors: Mapping[str, Callable[..., object]],
        persistent: Callable[[Any], object],
    ) -> None:
        self._path = path
        self._stream = stream
        self._constructors = constructors
        self._persistent = persistent

    def load(self) -> Any:
        """Run one pickle up to its STOP.

        Raises Malformed for a broken pickle and for one that asks for a call, UnsupportedFormat for a rank's shards.
        """
        machine = _Machine(self._path, self._constructors, self._persistent)
        try:
            for count, (opcode, argument, position) in enumerate(pickletools.genops(self._as_file())):
                if count > MAX_OPCODES or (position or 0) > MAX_PICKLE:
                    raise ValueError("it is longer than any state dict")
                machine.step(opcode.name, argument)
            return machine.result()
        except CheckpointError:
            raise
        except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError, Warning) as error:
            # a Warning: pickletools warns of odd escapes in text opcodes, and warnings may have been made errors
            raise Malformed(self._path, f"holds a damaged pickle: {reason(error)}") from error

    def _as_file(self) -> IO[bytes]:
        return self._stream  # type: ignore[return-value]  # genops needs these three methods only


class _Machine:
    """Stack, marks and memo of one pickle."""

    def __init__(
        self, path: Path, constructors: Mapping[str, Callable[..., object]], persistent: Callable[[Any], object]
    ) -> None:
        self._path = path
        self._constructors = constructors
        self._persistent = persistent
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._copied = 0

    def step(self, opcode: str, argument: Any) -> None:
        """Run one opcode."""
        if opcode in _PUSHED_AS_READ:
            self._stack.append(argument)
        elif opcode in _PUT:
            self._memo[len(self._memo) if argument is None else argument] = self._stack[-1]
        elif opcode in _GET:
            self._stack.append(self._memo[argument])
        elif opcode in _CONSTANTS:
            self._stack.append(_CONSTANTS[opcode])
        elif opcode in _EMPTY:
            self._stack.append(_EMPTY[opcode]())
        elif opcode not in _IGNORED:
            _ACTIONS[opcode](self, argument)

    def result(self) -> Any:
        """Give the one value that is left."""
        return self._stack[-1]

    # -- marks and containers --

    def mark(self, _: Any) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def _since_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._marks.pop()
        return items

    def drop_mark(self, _: Any) -> None:
        self._since_mark()

    def pop(self, _: Any) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._since_mark()

    def duplicate(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    def tuple_since_mark(self, _: Any) -> None:
        items = self._since_mark()
        self._stack.append(tuple(items))

    def tuple_of(self, count: int) -> None:
        if len(self._stack) < count:
            raise IndexError("its stack is empty")
        items = tuple(self._stack[-count:])
        del self._stack[-count:]
        self._stack.append(items)

    def list_since_mark(self, _: Any) -> None:
        items = self._since_mark()
        self._stack.append(items)

    def dict_since_mark(self, _: Any) -> None:
        items = self._since_mark()
        self._stack.append({})
        self._set(items)

    def append(self, _: Any) -> None:
        self._extend([self._stack.pop()])

    def appends(self, _: Any) -> None:
        self._extend(self._since_mark())

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, Foreign):
            raise TypeError("it appends to something that is not a list")

    def set_item(self, _: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set([key, value])

    def set_items(self, _: Any) -> None:
        self._set(self._since_mark())

    def _set(self, items: list[Any]) -> None:
        target = self._stack[-1]
        target = target.items if isinstance(target, Foreign) else target
        if not isinstance(target, dict) or len(items) % 2:
            raise TypeError("it sets items of something that is not a dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_hashable(key)] = value

    # -- globals, calls, state --

    def global_(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._push_global(module, name)

    def stack_global(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise TypeError("a global is named by something that is not text")
        self._push_global(module, name)

    def _push_global(self, module: str, name: str) -> None:
        self._stack.append(self._admit(f"{module}.{name}"))

    def _admit(self, name: str) -> Global:
        if name == SHARDED:
            raise UnsupportedFormat(
                self._path,
                "holds one rank's shards of tensors (torch's ShardedTensor): save a full state dict, and give that",
            )
        known = name in self._constructors or name in INERT
        package = name.split(".", maxsplit=1)[0]
        if not known and (package in sys.stdlib_module_names or package in _PYTHON_2):
            raise self._refusal(name)
        return Global(name)

    def _refusal(self, name: str) -> Malformed:
        return Malformed(self._path, f"asks to call {_bare(name)}: refused, nothing was run")

    def reduce(self, _: Any) -> None:
        arguments, target = self._stack.pop(), self._stack.pop()
        self._stack.append(self._call(target, arguments))

    def new_with_keywords(self, _: Any) -> None:
        self._stack.pop()
        self.reduce(None)

    def inst(self, argument: str) -> None:
        arguments = tuple(self._since_mark())
        self.global_(argument)
        self._stack.append(self._call(self._stack.pop(), arguments))

    def obj(self, _: Any) -> None:
        target, *arguments = self._since_mark()
        self._stack.append(self._call(target, tuple(arguments)))

    def _call(self, target: Any, arguments: Any) -> object:
        if not isinstance(target, Global) or not isinstance(arguments, tuple):
            raise TypeError("it calls something that is not a global")
        if target.name in self._constructors:
            self._afford(arguments)
            return self._constructors[target.name](*arguments)
        is_class = target.name.startswith(SCRIPTED) or _CLASS.fullmatch(target.name.rpartition(".")[2])
        if target.name in INERT or is_class:
            named = arguments[0] if target.name.endswith("._reconstructor") and arguments else None
            return Foreign(named.name if isinstance(named, Global) else target.name)
        raise self._refusal(target.name)

    def _afford(self, arguments: tuple[Any, ...]) -> None:
        """Count what a constructor may copy: one large object can be handed to a million of them."""
        self._copied += sum(len(a) for a in arguments if isinstance(a, str | bytes | bytearray))
        self._copied += 8 * sum(len(a) for a in arguments if isinstance(a, list | tuple | dict))
        if self._copied > MAX_COPIED:
            raise ValueError("it copies its objects without end")

    def build(self, _: Any) -> None:
        """Give an object its state; what is rebuilt here and no Stateful drops it (a dictionary's `_metadata`)."""
        state, target = self._stack.pop(), self._stack[-1]
        if isinstance(target, Foreign):
            target.state = state
        elif isinstance(target, Stateful):
            self._afford(state if isinstance(state, tuple) else (state,))
            target.set_state(state)
        elif isinstance(target, Global):
            raise TypeError("it sets the state of a class or function")

    def persistent(self, argument: Any) -> None:
        self._stack.append(self._persistent(argument))

    def persistent_from_stack(self, _: Any) -> None:
        self._stack.append(self._persistent(self._stack.pop()))

    def unsupported(self, _: Any) -> None:
        raise ValueError("it needs an extension registry or buffers beside the file")


def _hashable(key: Any) -> Any:
    """Check a dictionary key: plain, or a short flat tuple, so that hashing it is bounded work."""
    parts = key if isinstance(key, tuple) else (key,)
    if len(parts) > 16 or any(isinstance(part, (tuple, list, dict)) for part in parts):
        raise TypeError("a dictionary key is nested")
    if any(isinstance(part, int) and part.bit_length() > 256 for part in parts):
        raise TypeError("a dictionary key is a huge number")
    return key


def _bare(name: str) -> str:
    return name if re.fullmatch(r"[\w.]{1,120}", name) else quoted(name)


_PUSHED_AS_READ = frozenset(
    {
        "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
        "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE", "SHORT_BINUNICODE",
        "BINUNICODE", "BINUNICODE8",
    }
)  # fmt: skip
_PUT = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_GET = frozenset({"GET", "BINGET", "LONG_BINGET"})
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
# sets are kept as lists: their members need no hash, and no checkpoint has weights in one
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": list}
_IGNORED = frozenset({"PROTO", "FRAME", "STOP"})
_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": _Machine.drop_mark,
    "DUP": _Machine.duplicate,
    "TUPLE": _Machine.tuple_since_mark,
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "LIST": _Machine.list_since_mark,
    "FROZENSET": _Machine.list_since_mark,
    "DICT": _Machine.dict_since_mark,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "ADDITEMS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "GLOBAL": _Machine.global_,
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.reduce,
    "NEWOBJ_EX": _Machine.new_with_keywords,
    "INST": _Machine.inst,
    "OBJ": _Machine.obj,
    "BUILD": _Machine.build,
    "PERSID": _Machine.persistent,
    "BINPERSID": _Machine.persistent_from_stack,
    "EXT1": _Machine.unsupported,
    "EXT2": _Machine.unsupported,
    "EXT4": _Machine.unsupported,
    "NEXT_BUFFER": _Machine.unsupported,
    "READONLY_BUFFER": _Machine.unsupported,
}
