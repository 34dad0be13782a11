"""What runs in the child of :mod:`course_utils.app.student`: it runs a student's cells and answers with plain values.

All that is here may be changed by the code that it runs. Nothing but what it sends leaves it.
"""

import base64
import builtins
import copy
import ctypes
import inspect
import json
import linecache
import os
import signal
import socket
import sys
import tempfile
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import psutil

from course_utils.app.slicing import Block
from course_utils.teaching.answering import asserts, clocks_set_by_hand, guard, is_placeholder

IS_FORKED = sys.platform == "linux"
_KEPT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "SYSTEMROOT", "COMSPEC", "PATHEXT", "COURSE_CACHE_DIR")


class Limits(NamedTuple):
    """What one answer may take: seconds of the child, MiB above what it begins with, bytes printed."""

    seconds: float
    mib: int = 1024
    printed: int = 2**20


class Remote(NamedTuple):
    """Stands for an argument that is a function: the child asks for its results."""

    number: int


# --- what travels -------------------------------------------------------------------------------------------------


def encode(value: Any) -> bytes:
    """Write plain values as JSON; what is none of them becomes the name of its class."""
    return json.dumps(_packed(value)).encode()


def decode(data: bytes) -> Any:
    """Read what :func:`encode` wrote. Anything else raises ValueError."""
    try:
        return _unpacked(json.loads(data))
    except Exception as error:  # a forged message may be wrong in any way
        raise ValueError("The process sent what cannot be read.") from error


def _packed(value: Any) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufcSU":
        array = np.ascontiguousarray(value)
        bare = base64.b64encode(array.tobytes()).decode()
        return ["array", array.dtype.str, None if isinstance(value, np.generic) else np.shape(value), bare]
    if isinstance(value, complex):
        return ["complex", value.real, value.imag]
    if isinstance(value, bytes):
        return ["bytes", value.hex()]
    if isinstance(value, dict):
        return ["dict", [[_packed(key), _packed(each)] for key, each in value.items()]]
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            return [kind.__name__, [_packed(each) for each in value]]
    return ["object", type(value).__name__]


def _unpacked(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    kind, *rest = value
    if kind == "array":
        dtype, shape, bare = np.dtype(rest[0]), rest[1], base64.b64decode(rest[2])
        if dtype.kind not in "biufcSU":
            raise ValueError(dtype)
        array = np.frombuffer(bare, dtype).copy() if bare else np.zeros(shape or 1, dtype)
        return array[0] if shape is None else array.reshape(shape)
    if kind == "complex":
        return complex(*rest)
    if kind == "bytes":
        return bytes.fromhex(rest[0])
    if kind == "dict":
        return {_unpacked(key): _unpacked(each) for key, each in rest[0]}
    if kind == "object":
        return type(str(rest[0]), (), {})()
    makers = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
    return makers[kind](map(_unpacked, rest[0]))


# --- in the child -------------------------------------------------------------------------------------------------


def serve(connection: Any, folder: Path, limits: Limits, printed: Path) -> None:
    """Answer the grading process until it hangs up."""
    for name in set(os.environ) - set(_KEPT):
        del os.environ[name]  # keys, and what else is nobody's business
    os.environ |= {name: str(folder) for name in ("HOME", "USERPROFILE", "TMPDIR", "TEMP", "MPLCONFIGDIR")}
    os.environ |= {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg", "HF_HUB_OFFLINE": "1"}
    tempfile.tempdir = str(folder)
    os.chdir(folder)
    writing = os.open(printed, os.O_WRONLY | os.O_APPEND)
    for stream, target in ((0, os.open(os.devnull, os.O_RDONLY)), (1, writing), (2, writing)):
        os.dup2(target, stream)
    sys.stdout = sys.stderr = open(1, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    if IS_FORKED:
        os.closerange(3, connection.fileno())  # the grader's own channels are among them
        os.closerange(connection.fileno() + 1, 4096)
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # ends with the grader
        signal.signal(signal.SIGINT, signal.default_int_handler)
        taken = psutil.Process().memory_info().vms
        os.setsid()
        _isolate(os.fsencode(folder), connection)
        _limit(limits, taken)
    _block_sockets()
    guard.SECONDS = float("inf")  # the grading process watches the time
    builtins.input, sys.stdin = guard._refuse_input, guard._NoKeyboard()
    builtins.display = print  # type: ignore[attr-defined]  # as in a notebook
    _answer(connection)


def _answer(connection: Any) -> None:
    function: Any = None
    while True:
        try:
            kind, *words = connection.recv()
        except (EOFError, OSError):
            return
        if kind == "load":
            namespace: dict[str, Any] = {"__name__": "__main__"}
            reply = _load(namespace, *words)
            function = namespace[reply[1]] if reply[0] == "answer" else None
        else:
            reply = _call(connection, function, [_local(connection, each) for each in words])
        with suppress(Exception):
            sys.stdout.flush()
        connection.send_bytes(encode(reply))


def _load(namespace: dict, blocks: list[Block], names: list[str]) -> list:
    """Run the cells that define an answer; say what it is."""
    run = exec
    try:
        for block in blocks:
            lines = block.source.splitlines(keepends=True)
            linecache.cache[block.name] = (len(block.source), None, lines, block.name)
            run(compile(block.tree(), block.name, "exec"), namespace)
        name = next((each for each in names if each in namespace), "")
        if not name:
            return ["missing"]
        answer = namespace[name]
        if is_placeholder(answer):
            return ["placeholder"]
        if not callable(answer):
            return ["answer", name, guard._read(answer), None, None]
        return ["answer", name, None, str(getattr(answer, "__name__", "Your function")), _parameters(answer)]
    except BaseException as error:
        return ["raised", str(guard._finding(error))]


def _parameters(function: Any) -> list | None:
    try:
        found = inspect.signature(function).parameters.values()
    except Exception:  # some built-in functions have none
        return None
    return [
        [each.name, int(each.kind), None if each.default is each.empty else guard.shown(each.default)] for each in found
    ]


def _call(connection: Any, function: Any, arguments: list) -> list:
    before = copy.deepcopy(arguments)
    try:
        with clocks_set_by_hand(function, _Clock(connection)) if any(map(callable, arguments)) else nullcontext():
            value = guard.run(function, *arguments)
        pairs = enumerate(zip(before, arguments, strict=True))
        return ["value", value, [i for i, (old, new) in pairs if not asserts._same(old, new)]]
    except BaseException as error:
        return ["raised", str(error if isinstance(error, guard.NotYet) else guard._finding(error))]


def _local(connection: Any, value: Any) -> Any:
    """A function that asks the grading process for each of its results, where that was an argument."""
    if not isinstance(value, Remote):
        return value

    def ask(*arguments: Any) -> Any:
        connection.send_bytes(encode(["remote", value.number, [guard.plain(each) for each in arguments]]))
        return connection.recv()

    return ask


class _Clock(list):
    """The checker's clock, which is read over there; how often, is counted there, too."""

    def __init__(self, connection: Any):
        super().__init__([0.0, 0])
        self._connection = connection

    def __getitem__(self, place: Any) -> Any:
        if place:
            return 0
        self._connection.send_bytes(encode(["remote", None, []]))
        return self._connection.recv()


def _block_sockets() -> None:
    """Refuse connections that go through Python, for where there is no network namespace."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise OSError("There is no network while notebooks are graded.")

    for place, names in ((socket.socket, ("connect", "connect_ex")), (socket, ("getaddrinfo", "create_connection"))):
        for name in names:
            setattr(place, name, refuse)


def _limit(limits: Limits, taken: int) -> None:
    import resource

    for name, most in (
        ("RLIMIT_AS", taken + limits.mib * 2**20),
        ("RLIMIT_FSIZE", 64 * limits.printed),
        ("RLIMIT_CPU", int(10 * limits.seconds) + 60),
        ("RLIMIT_CORE", 0),
    ):
        with suppress(OSError, ValueError):
            resource.setrlimit(getattr(resource, name), (most, most))


class _Mount(ctypes.Structure):
    """``struct mount_attr`` of mount_setattr(2)."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "user")]


def _isolate(folder: bytes, connection: Any) -> None:
    """Move into namespaces of its own, as far as the system allows it, and go on as their first process."""
    system, user, group = ctypes.CDLL(None, use_errno=True), os.getuid(), os.getgid()
    new_user, new_network, new_processes, new_mounts, new_ipc = 0x10000000, 0x40000000, 0x20000000, 0x20000, 0x08000000
    if system.unshare(new_user | new_network | new_processes | new_mounts | new_ipc):
        return
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with suppress(OSError):
            Path("/proc/self", name).write_text(text, encoding="ascii")
    private, recursive, bind, read_only, set_attributes, here = 1 << 18, 0x4000, 0x1000, 1, 442, -100
    if not system.mount(None, b"/", None, private | recursive, None):
        system.mount(folder, folder, None, bind, None)
        size = ctypes.sizeof(_Mount)
        system.syscall(set_attributes, here, b"/", 0x8000, ctypes.byref(_Mount(set=read_only)), size)
        system.syscall(set_attributes, here, folder, 0, ctypes.byref(_Mount(clear=read_only)), size)
        os.chdir(folder)
    first = os.fork()
    if first:
        connection.close()
        os.waitpid(first, 0)
        os._exit(0)
    os.setsid()
    system.prctl(1, signal.SIGKILL)  # ends with the process that waits for it
    system.mount(b"proc", b"/proc", b"proc", 0, None)
