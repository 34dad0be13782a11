"""Runs a student's cells in a process of its own, which is asked for answers and never for a verdict.

The grading process keeps the checkers. Where one calls the student's function, the arguments go to the child, and plain
values come back (:func:`course_utils.teaching.checks.guard.plain`) as JSON: nothing that the child sends is unpickled
or run. So student code may redefine ``q1``, patch the course or print "correct": that changes values, no verdict.

On Linux the child is a fork of a process that has imported the heavy packages. Where the system allows it, it gets a
user, process, network and mount namespace: no network, only its copy of the work folder can be written, no other
process can be seen, and all that it started ends with it. Elsewhere it is a fresh Python with its sockets blocked.
Time, memory and output are watched from outside. It is no sandbox: what the instructor may read, it may read too.
"""

import base64
import builtins
import copy
import ctypes
import inspect
import json
import linecache
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from time import monotonic  # by name, because a checker may set the module's clocks
from typing import Any, NamedTuple, NoReturn

import numpy as np
import psutil

from course_utils.app.run import memory_of
from course_utils.app.slicing import Block
from course_utils.teaching.checks import asserts, guard
from course_utils.teaching.checks.lesson02 import clocks_set_by_hand
from course_utils.teaching.exercise import is_placeholder

IS_FORKED = sys.platform == "linux"
TIMED_OUT, OUT_OF_MEMORY, TOO_MUCH = "timed out", "out of memory", "too much output"
WORDS = {
    TIMED_OUT: "It had not returned when its time was up. Does a loop in it never end?",
    OUT_OF_MEMORY: "It takes more memory than there is for one answer, or starts too many processes.",
    TOO_MUCH: "It prints far more than anybody reads.",
}
_FRAME = 2**26  # bytes of one message of the child
_PROCESSES = 64  # that it may have at a time
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


# --- in the grading process ---------------------------------------------------------------------------------------


class Student:
    """A child that runs one notebook's cells, started when it is first asked and again after it has ended.

    Attributes
    ----------
    ended : str
        Why the child ended during this answer, "" while it lives.
    raised : str
        What its last call raised, in words, "" if it returned.
    """

    def __init__(self, folder: Path, limits: Limits):
        self._folder, self._limits = folder, limits
        self._process: Any = None
        self.ended = self.raised = ""

    def begin(self) -> None:
        """Begin another answer, with all of its time; where that is cheap, in a process that no other has touched."""
        self.ended, self.raised, self._left = "", "", self._limits.seconds
        if IS_FORKED:
            self.stop()
        if self._process is None:
            self._start()

    def ask(self, *words: Any) -> list:
        """Send a message and return what comes back, with ``ended`` set and an empty list if nothing does."""
        begun, self._remotes = monotonic(), [each for each in words if callable(each)]
        words = tuple(Remote(self._remotes.index(each)) if callable(each) else each for each in words)
        if self.ended:
            return []
        self._late = begun + self._left
        try:
            self._connection.send(words)
            while True:
                reply = decode(self._connection.recv_bytes(_FRAME))
                if type(reply) is not list or not reply:
                    raise ValueError("The process sent what cannot be read.")
                if reply[0] != "remote":
                    return reply
                # the child waits for the grader's function, or for a clock that a checker has set by hand
                called = time.perf_counter if reply[1] is None else self._remotes[int(reply[1])]
                self._connection.send(called(*reply[2]))
        except (EOFError, OSError, ValueError, IndexError, TypeError) as error:
            self._end()
            gone = isinstance(error, EOFError | ConnectionError)
            self.ended = self._why or ("The process ended itself." if gone else "The process sent what cannot be read.")
            return []
        finally:
            self._late, self._left = float("inf"), self._left - (monotonic() - begun)

    def call(self, function: Any, *arguments: Any) -> Any:
        """Stand in for :func:`course_utils.teaching.checks.guard.run` while a checker is at work."""
        reply, self.raised = self.ask("call", *arguments), ""
        if self.ended:
            raise guard.NotYet(WORDS.get(self.ended, self.ended))
        if reply[0] == "value" and len(reply) == 3:
            for number in reply[2]:
                _spoil(arguments[number])
            return reply[1]
        self.raised = str(reply[-1])[:600]
        raise guard.NotYet(self.raised)

    def stop(self) -> None:
        """End the child and all that it started."""
        self._end()

    def _start(self) -> None:
        context: Any = multiprocessing.get_context("fork" if IS_FORKED else "spawn")
        self._printed = self._folder.with_name(f"{self._folder.name}.printed")
        self._printed.touch()
        self._connection, theirs = context.Pipe()
        self._why, self._late, self._done = "", float("inf"), threading.Event()
        words = (theirs, self._folder, self._limits, self._printed)
        self._process = context.Process(target=serve, args=words, daemon=True)
        self._process.start()
        theirs.close()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def _watch(self) -> None:
        """End the child when it takes too much; the grader, which waits for its message, then reads the end."""
        process, limits = psutil.Process(self._process.pid), self._limits
        most = memory_of(psutil.Process()) + limits.mib * 2**20  # a fork begins with what the grader has
        while not self._done.wait(0.1):
            if monotonic() > self._late:
                self._why = TIMED_OUT
            elif self._printed.stat().st_size > limits.printed:
                self._why = TOO_MUCH
            else:
                with suppress(psutil.Error):
                    crowd = len(process.children(recursive=True)) > _PROCESSES
                    self._why = OUT_OF_MEMORY if memory_of(process) > most or crowd else ""
            if self._why:
                return _kill(process)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        self._done.set()
        self._watcher.join()
        with suppress(psutil.Error):
            _kill(psutil.Process(process.pid))
        process.join()
        self._connection.close()
        if self._printed.stat().st_size > self._limits.printed:
            self._why = TOO_MUCH
        self._printed.unlink(missing_ok=True)


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.Error):
        for each in [*process.children(recursive=True), process]:
            with suppress(psutil.Error):
                each.kill()
    if hasattr(os, "killpg"):
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)  # it leads a group of its own


def _spoil(value: Any) -> None:
    """Change an argument that the child's function has changed in place, for the checker to see."""
    with suppress(Exception):
        if isinstance(value, np.ndarray):
            value.resize(0, refcheck=False)
        elif isinstance(value, list):
            value.append(None)
        else:
            value["changed"] = 0


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
    system.prctl(1, signal.SIGKILL)  # ends with the process that waits for it
    system.mount(b"proc", b"/proc", b"proc", 0, None)
