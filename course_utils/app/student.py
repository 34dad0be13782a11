"""Runs a student's cells in a process of its own, which is asked for answers and never for a verdict.

The grading process keeps the checkers. Where one calls the student's function, the arguments go to the child, and plain
values come back (:func:`course_utils.teaching.checks.guard.plain`) as JSON: nothing that the child sends is unpickled
or run. So student code may redefine ``q1``, patch the course or print "correct": that changes values, no verdict.

On Linux the child is a fork of a process that has imported the heavy packages. Where the system allows it, it gets a
user, process, network and mount namespace: no network, only its copy of the work folder can be written, no other
process can be seen, and all that it started ends with it. Elsewhere it is a fresh Python with its sockets blocked.
Time, memory and output are watched from outside. It is no sandbox: what the instructor may read, it may read too.
"""

import multiprocessing
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from time import monotonic  # by name, because a checker may set the module's clocks
from typing import Any

import numpy as np
import psutil

from course_utils.app.child import IS_FORKED, Limits, Remote, decode, serve
from course_utils.app.run import memory_of
from course_utils.teaching.answering import guard

TIMED_OUT, OUT_OF_MEMORY, TOO_MUCH = "timed out", "out of memory", "too much output"
WORDS = {
    TIMED_OUT: "It had not returned when its time was up. Does a loop in it never end?",
    OUT_OF_MEMORY: "It takes more memory than there is for one answer, or starts too many processes.",
    TOO_MUCH: "It prints far more than anybody reads.",
}
_FRAME = 2**26  # bytes of one message of the child
_PROCESSES = 64  # that it may have at a time


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
                if self._printed.stat().st_size > self._limits.printed:
                    raise ValueError  # between two looks of the watcher
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
