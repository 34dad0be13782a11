"""Disturbs each command at moments chosen by a seed, and looks whether anything was lost.

    python tests/chaos/trials.py --trials 20 --seed 0 --out results.json

A moment is an event at which files or databases change: a file opened for writing, a write, a rename, a statement of
SQLite, a commit, and the return from each. A first run lists them; a trial draws by its seed a line of the course that
led to some, and one of these, so it hits the moments that matter, and the same ones on every machine. Each run is a
fork of this process, which has imported torch once. The folders of trials lie on a small file system of this process's
own where one can be mounted (Linux with user namespaces), so that full and read-only are the real thing; elsewhere a
full disk is a limit on the size of files, and a read-only place a folder without write permission, which root cannot
try.
"""

import argparse
import contextlib
import importlib
import io
import json
import os
import pickle
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from commands import COMMANDS, INPUTS, Command, Seen, matches

FAULTS = ("killed", "interrupted", "disk full", "read-only", "two at once")
CALLS = {
    *("write", "writelines", "close", "flush", "truncate", "fsync", "serialize_file"),
    *("replace", "rename", "link", "symlink", "unlink", "remove", "mkdir", "rmdir", "copy_file_range", "sendfile"),
    *("execute", "executemany", "commit", "rollback"),
}
# Imported once, here; what else a clean run imports is imported when it has been seen.
HEAVY = ("sentence_transformers", "course_utils.app.cli", "course_utils.app.report", "course_utils.app.embed")
HERE = str(Path(__file__).resolve().parents[2]) + os.sep
MOUNTS = "COURSE_CHAOS_MOUNTS"  # "own" where this process sees mounts that nobody else sees; "none": do not try
PATIENCE = 90.0  # seconds after which a command hangs; SQLite itself waits for another process up to 60
TOGETHER = 1.0  # seconds in which the second of two may do what it can while the first stands still


@dataclass
class Run:
    """A command in a process of its own: what it printed, its exit status (negative: by a signal), its moments.

    Of each moment it is known which line of the course led to it.
    """

    output: str
    status: int
    moments: tuple[str, ...] = ()
    answer: object = None
    imported: tuple[str, ...] = ()


class Child:
    """A fork that calls ``work`` in ``folder``; at its ``moment``-th event it does ``fault`` to itself."""

    def __init__(self, folder: Path, work: Callable, fault: Callable | None = None, moment: int = 0):
        self.reading, writing = os.pipe()
        self.answering, answer = os.pipe()
        self.output, self.answer, self.status = b"", b"", None
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.reading)
            os.close(self.answering)
            _be_a_command(folder, work, fault, moment, writing, answer)
        os.close(writing)
        os.close(answer)

    def stands_still(self) -> bool:
        """Wait until it has stopped itself (True) or ended (False)."""
        status = os.waitpid(self.pid, os.WUNTRACED)[1]
        if not os.WIFSTOPPED(status):
            self.status = status
        return self.status is None

    def wait(self, seconds: float = PATIENCE, kill: bool = True) -> Run | None:
        """Read what it says until it ends; None if it has not ended in time."""
        end, open_pipes = time.monotonic() + seconds, [self.reading, self.answering]
        while open_pipes and (left := end - time.monotonic()) > 0:
            for pipe in select.select(open_pipes, [], [], left)[0]:
                part = os.read(pipe, 65536)
                if not part:
                    open_pipes.remove(pipe)
                if pipe == self.reading:
                    self.output += part
                else:
                    self.answer += part
        if open_pipes:
            if not kill:
                return None
            os.kill(self.pid, signal.SIGKILL)
        status = os.waitpid(self.pid, 0)[1] if self.status is None else self.status
        os.close(self.reading)
        os.close(self.answering)
        text = self.output.decode(errors="replace") + ("\nIt hung." if open_pipes else "")
        rest = pickle.loads(self.answer) if self.answer else ()
        return Run(text, os.waitstatus_to_exitcode(status), *rest)


def _be_a_command(folder: Path, work: Callable, fault: Callable | None, moment: int, writing: int, answer: int) -> None:
    status, result, known = 1, None, set(sys.modules)
    moments: list[str] = []

    def event(what: str, frame) -> None:
        while frame.f_back is not None and not frame.f_code.co_filename.startswith((HERE, str(folder))):
            frame = frame.f_back
        moments.append(f"{what} {frame.f_code.co_filename}:{frame.f_lineno}")
        if len(moments) == moment and fault is not None:
            fault()

    def profile(frame, kind, function):
        if kind in ("c_call", "c_return") and function.__name__ in CALLS:
            owner = getattr(function, "__self__", None)
            if not isinstance(owner, (str, bytes)) and "datetime" not in str(type(owner)):
                event(f"{kind} {function.__name__}", frame)

    def audit(name, arguments):
        if name == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            event(name, sys._getframe(1))

    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
        os.dup2(writing, 1)
        os.dup2(writing, 2)
        for name, number in (("stdout", 1), ("stderr", 2)):
            setattr(sys, name, io.TextIOWrapper(io.FileIO(number, "w", closefd=False), "utf-8", write_through=True))
        os.chdir(folder)
        os.environ["COURSE_CACHE_DIR"] = str(folder / "cache")
        # the user's own folders lie on the same disk, never where this user's real ones are
        os.environ |= {name: str(folder / "home") for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA")}
        sys.addaudithook(audit)
        sys.setprofile(profile)
        result = work()
        status = 0
    except SystemExit as done:
        status = done.code if isinstance(done.code, int) else int(done.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.setprofile(None)
        made = tuple(moments)
        with contextlib.suppress(BaseException), open(answer, "wb") as file:
            pickle.dump((made, result, tuple(set(sys.modules) - known)), file)
        os._exit(status)


class Disk:
    """The place of the trials: a small file system of this process's own, or an ordinary folder."""

    def __init__(self, folder: Path):
        self.folder, self.mounted = folder, False
        if os.environ.get(MOUNTS) == "own":
            command = ["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(folder)]
            self.mounted = subprocess.run(command, capture_output=True).returncode == 0

    def fill(self) -> None:
        """Leave not one byte, from inside a run."""
        if not self.mounted:
            import resource

            return resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        ballast = os.open(self.folder / "ballast", os.O_WRONLY | os.O_CREAT)
        for size in (2**20, 2**12, 1):
            with contextlib.suppress(OSError):
                while os.write(ballast, bytes(size)):
                    pass
        os.close(ballast)

    def empty(self) -> None:
        """Give the space back."""
        (self.folder / "ballast").unlink(missing_ok=True)

    def can_be_read_only(self) -> bool:
        return self.mounted or os.geteuid() != 0

    def set_writable(self, writable: bool) -> None:
        """Let everything be read only, or not any more."""
        if self.mounted:
            mode = "rw" if writable else "ro"
            subprocess.run(["mount", "-o", f"remount,{mode}", str(self.folder)], check=True, capture_output=True)
        else:
            for path in [self.folder, *self.folder.rglob("*")]:
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode | 0o200 if writable else path.stat().st_mode & ~0o222)


class Trials:
    """All trials of one command: a template of its folder, what clean runs leave, and what a fault left instead."""

    def __init__(self, disk: Disk, command: Command):
        self.disk, self.command = disk, command
        self.template, self.place = disk.folder / "template", disk.folder / "trial"
        self.renew(None)
        self.call(command.prepare)
        self.before = self.look()
        shutil.rmtree(self.template, ignore_errors=True)
        shutil.copytree(self.place, self.template, symlinks=True)
        self.renew()
        first = self.call(self.one)
        self.moments, self.clean = first.moments, self.look()
        self.call(self.other)
        self.clean_both = self.look()

    def one(self) -> None:
        self.command.run(False, False)

    def other(self) -> None:
        self.command.run(True, False)

    def renew(self, template: Path | None = Path("template")) -> None:
        """Give the next trial the folder as it was; it stands at the same path, which some things remember."""
        shutil.rmtree(self.place, ignore_errors=True)
        if template is None:
            self.place.mkdir()
        else:
            shutil.copytree(self.template, self.place, symlinks=True)

    def call(self, work: Callable) -> Run:
        """Run without any fault; that this goes well is what makes a trial one."""
        run = Child(self.place, work).wait()
        if run is None or run.status or "Traceback" in run.output:
            raise RuntimeError(f"without a fault: {run}")
        for name in run.imported:  # the next one finds it
            with contextlib.suppress(Exception):
                importlib.import_module(name)
        return run

    def look(self) -> Seen:
        return self.call(self.command.look).answer  # type: ignore[return-value]

    def try_fault(self, fault: str, seed: int) -> dict:
        """One trial; its result says what was lost, nothing if all is well."""
        began = time.monotonic()
        rng = random.Random(f"{fault} {seed}")
        # first a line of the course, then one of its moments: what happens once is hit as often as what is repeated
        line = rng.choice(sorted(set(self.moments)))
        moment = rng.choice([1 + n for n, each in enumerate(self.moments) if each == line])
        self.renew()
        try:
            lost = getattr(self, "_" + fault.replace(" ", "_").replace("-", "_"))(moment)
        except RuntimeError as error:
            lost = [str(error)]
        finally:
            self.disk.set_writable(True)
            self.disk.empty()
        return {
            "fault": fault,
            "seed": seed,
            "moment": moment,
            "of": len(self.moments),
            "line": line.replace(HERE, ""),
            "lost": lost,
            "seconds": time.monotonic() - began,
        }

    def _killed(self, moment: int) -> list[str]:
        run = Child(self.place, self.one, lambda: os.kill(os.getpid(), signal.SIGKILL), moment).wait()
        return [*self.judge(run, by=-signal.SIGKILL), *self.go_on()]

    def _interrupted(self, moment: int) -> list[str]:
        run = Child(self.place, self.one, lambda: os.kill(os.getpid(), signal.SIGINT), moment).wait()
        return [*self.judge(run), *self.go_on()]

    def _disk_full(self, moment: int) -> list[str]:
        run = Child(self.place, self.one, self.disk.fill, moment).wait()
        lost = self.judge(run)  # while the disk is still full: what is stored can be read
        self.disk.empty()
        return [*lost, *self.go_on()]

    def _read_only(self, moment: int) -> list[str]:
        """A run is cut short, and then nothing can be written any more: what is there can be read all the same."""
        cut = Child(self.place, self.one, lambda: os.kill(os.getpid(), signal.SIGKILL), moment).wait()
        self.disk.set_writable(False)
        run = Child(self.place, self.one).wait()
        run.output = cut.output + run.output
        lost = self.judge(run)
        self.disk.set_writable(True)
        return [*lost, *self.go_on()]

    def _two_at_once(self, moment: int) -> list[str]:
        """The first stands still at its moment until the second has done what it can."""
        first = Child(self.place, self.one, lambda: os.kill(os.getpid(), signal.SIGSTOP), moment)
        waits = first.stands_still()
        second = Child(self.place, self.other)
        ended = second.wait(TOGETHER, kill=False)
        if waits:
            os.kill(first.pid, signal.SIGCONT)
        runs = [first.wait(), ended or second.wait()]
        lost = [*self.judge(runs[0]), *self.judge(runs[1], clean=self.clean_both)]
        if not any(run.status for run in runs):  # both said that it went well, so both did their work
            lost += differences(self.look(), self.clean_both, "after both")
        self.call(self.one)
        self.call(self.other)
        return [*lost, *differences(self.look(), self.clean_both, "after both ran again")]

    def judge(self, run: Run, by: int = 0, clean: Seen | None = None) -> list[str]:
        """What the fault took: what was there before, what was reported, or the reader's peace of mind."""
        clean = self.clean if clean is None else clean
        lost = []
        if "Traceback" in run.output or run.output.endswith("It hung."):
            lost.append(f"not a sentence: …{run.output[-1500:]}")
        if run.status < 0 and run.status != by:
            lost.append(f"ended by signal {-run.status}")
        seen = self.look()
        for name, value in clean.items():
            reported = self.command.reported(run.output, name)
            if name in seen:
                old = name in self.before and not reported and same(seen[name], self.before[name])
                if matches(self.command, name) and not old and not same(seen[name], value):
                    lost.append(f"{name} has another value")
            elif reported:
                lost.append(f"{name} was reported and is not there")
            elif name in self.before and matches(self.command, name):
                lost.append(f"{name} was there before and is not any more")
        return lost

    def go_on(self) -> list[str]:
        """The same command again goes on, or starts afresh, and ends as a run that nothing disturbed."""
        lost = []
        if self.command.needs_fetching:
            lost += [f"with the index away: {each}" for each in self.judge(self._without_fetching())]
        self.call(self.one)
        return [*lost, *differences(self.look(), self.clean, "after it ran again")]

    def _without_fetching(self) -> Run:
        return Child(self.place, lambda: self.command.run(False, True)).wait()


def same(one: object, other: object) -> bool:
    """Equal but for the rounding that other batches bring."""
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.shape == other.shape and bool(np.allclose(one, other, atol=1e-4))
    return one == other


def differences(seen: Seen, wanted: Seen, when: str) -> list[str]:
    names = [name for name in wanted if name not in seen or not same(seen[name], wanted[name])]
    return [f"{when}: {name} is not as in a clean run" for name in names]


def run_all(trials: int, seed: int, names: list[str], out: Path) -> None:
    """Try every fault on every command ``trials`` times; write a result for each trial."""
    from tiny_qwen3 import build_tiny_qwen3

    warnings.simplefilter("ignore", DeprecationWarning)  # of what is imported ahead, by names that others still use
    for name in HEAVY:
        importlib.import_module(name)
    results = []
    with tempfile.TemporaryDirectory() as inputs, tempfile.TemporaryDirectory() as small:
        os.environ[INPUTS] = inputs
        built = Child(Path(inputs), lambda: build_tiny_qwen3(Path(inputs, "tiny")) and None).wait()
        assert built.status == 0, built.output
        disk = Disk(Path(small).resolve())
        for name in names:
            every = Trials(disk, COMMANDS[name])
            for fault in FAULTS:
                if fault == "read-only" and not disk.can_be_read_only():
                    continue
                results += [{"command": name} | every.try_fault(fault, seed + n) for n in range(trials)]
                print(name, fault, [result for result in results[-trials:] if result["lost"]], file=sys.stderr)
            out.write_text(json.dumps(results, indent=1), encoding="utf-8")  # a run that is cut short keeps what it had
        if disk.mounted:
            subprocess.run(["umount", "-l", small], check=False)


def with_own_mounts() -> None:
    """Start this program again where it may mount something that no other process sees, if the system lets it."""
    for words in (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"]):
        try_it = [*words, "mount", "-t", "tmpfs", "none", tempfile.gettempdir()]
        if shutil.which("unshare") and subprocess.run(try_it, capture_output=True).returncode == 0:
            os.environ[MOUNTS] = "own"
            os.execvp(words[0], [*words, sys.executable, *sys.argv])


if __name__ == "__main__":
    if MOUNTS not in os.environ:
        with_own_mounts()
    sys.path[1:1] = [HERE + "tests", HERE]
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=1, help="of each fault on each command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", action="append", choices=COMMANDS)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    # forks must not find threads that are gone
    os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "CI": "1"}
    run_all(given.trials, given.seed, given.command or list(COMMANDS), given.out.resolve())
