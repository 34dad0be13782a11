"""Set up the course and start it. Nothing needs to be installed first but Python 3.11 to 3.14.

    python start.py            open JupyterLab on lesson 1 (with --no-browser on a server)
    python start.py test       run every test
    python start.py setup      look whether all is in place, and put back what is missing
    python start.py doctor     say what is wrong on this machine
    python start.py --help     more of these

The first start makes the folder .venv beside this file and installs the course into it: a few minutes, about
2 GB. Later starts take seconds. Nothing is installed or registered anywhere else; to undo, delete .venv.

Standard library only, and written so that a Python from 2.7 on can read it and say what is missing.
"""
# ruff: noqa: E402, PLW1514, PTH123, UP031, UP032, UP036

import os
import subprocess
import sys

DOWNLOADS = "https://www.python.org/downloads/"
ELSEWHERE = "docs/installation.md says how to use the course on another machine or in a browser."
OTHER_PYTHON = (
    "The course needs Python 3.11, 3.12, 3.13 or 3.14; this is Python {}.{}. "
    "Install one from " + DOWNLOADS + " beside yours and run this again. " + ELSEWHERE
)
LAUNCHERS = [["py", "-3.%d" % minor] if os.name == "nt" else ["python3.%d" % minor] for minor in range(11, 15)]

if sys.version_info < (3, 8):  # it can read what follows, but not run it: a newer one does, if there is one
    for launcher in LAUNCHERS:
        try:
            with open(os.devnull, "w") as nowhere:
                status = subprocess.call(launcher + ["-c", ""], stdout=nowhere, stderr=nowhere)
        except OSError:
            continue
        if status == 0 and os.name != "nt":
            os.execvp(launcher[0], launcher + sys.argv)
        if status == 0:
            sys.exit(subprocess.call(launcher + sys.argv))  # Windows has no exec
    sys.exit(OTHER_PYTHON.format(*sys.version_info[:2]))

import contextlib
import hashlib
import io
import shutil
import threading
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
OLD = HERE / ".venv.old"  # one whose Python is gone is kept here until the new one works
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
# What .venv was made from and its extras; and a word more while pip is at work, which may be killed half-way.
STAMP = VENV / "course-setup.txt"
UNFINISHED = "unfinished"
INDEX = "https://pypi.org/simple/"
# PyPI's own torch for Linux brings gigabytes of libraries for NVIDIA cards; this index has it without.
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# What `course bundle` puts beside this file: packages for set-ups without a network, by the kind of machine.
WHEELS = HERE / "bundle" / "wheels"
SUMS = HERE / "SHA256SUMS"

ASK_PYTHON = """
import importlib.util, platform, sys, sysconfig
print(*sys.version_info[:2], platform.system() or "-", platform.machine() or "-", sysconfig.get_platform(),
      platform.mac_ver()[0] or "-", "ensurepip" if importlib.util.find_spec("ensurepip") else "-")
"""
# Python's own copy of pip, without a network; pip would not replace one that is still on its list.
RESTORE_PIP = """
import ensurepip, pathlib, shutil, sysconfig
for listed in pathlib.Path(sysconfig.get_path("purelib")).glob("pip-*.dist-info"):
    shutil.rmtree(listed)
ensurepip.bootstrap()
"""
COMMAND = """
import sys
try:
    from course_utils.app.cli import main
except ImportError as error:
    sys.exit("%s: .venv is not whole. `python start.py setup` puts back what is missing." % error)
main()
"""


class SetupError(Exception):
    """Something that the reader of the message can put right."""


def describe(command):
    """Ask a Python what it is: the seven words that ASK_PYTHON prints, or None when it does not start."""
    try:
        output = subprocess.check_output(command + ["-c", ASK_PYTHON], stderr=subprocess.DEVNULL, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return output.decode("ascii", "replace").split()


def objection(major, minor, system, machine, platform_tag, macos, ensurepip):
    """Say why the course cannot run on such a Python, and the remedy; an empty string when it can."""
    if system == "Darwin" and machine == "x86_64":
        return "PyTorch no longer supports Macs with an Intel processor, or an Intel Python. " + ELSEWHERE
    if system == "Darwin" and macos != "-" and int(macos.split(".")[0]) < 14:
        return "PyTorch needs macOS 14 or newer, and this is macOS {}. Update it. {}".format(macos, ELSEWHERE)
    if platform_tag == "win-arm64":
        return "PyTorch does not support Windows on ARM processors. " + ELSEWHERE
    if platform_tag == "win32":
        return "This is a 32-bit Python. Install the 64-bit Python 3.12 from {}.".format(DOWNLOADS)
    if system == "Linux" and machine not in ("x86_64", "aarch64"):
        return "PyTorch has no package for Linux on {}. {}".format(machine, ELSEWHERE)
    if major != "3" or not 11 <= int(minor) <= 14:
        return OTHER_PYTHON.format(major, minor)
    if ensurepip == "-":
        return "This Python cannot make virtual environments. First: sudo apt install python3.{}-venv".format(minor)
    return ""


def find_python():
    """Return the command of a Python that the course runs on: this one if it will do, else one from PATH.

    Where packages lie beside the course, one that they fit comes first; without a network, no other will do.
    """
    complaints, good = [], []
    for command in [[sys.executable]] + LAUNCHERS:
        facts = describe(command)
        if facts:
            complaints.append(objection(*facts))
            if not complaints[-1]:
                good.append((not (WHEELS / kind_of(facts)).is_dir(), len(good), command, facts))
                if not (WHEELS.is_dir() and good[-1][0]):
                    return command
    if not good:
        raise SetupError(complaints[0] if complaints else "No Python answers. Install 3.12 from " + DOWNLOADS)
    if not answers(INDEX):
        raise SetupError(not_bundled(good[0][3]))
    return good[0][2]


def kind_of(facts):
    """Name a kind of machine as the folders of packages are named, for example Windows-AMD64-3.12."""
    major, minor, system, machine = facts[:4]
    return "{}-{}-{}.{}".format(system, machine, major, minor)


def not_bundled(facts):
    """Say that the packages beside the course do not fit here, and the ways out."""
    kinds = sorted(path.name for path in WHEELS.iterdir() if path.name != "any")
    here = [kind for kind in kinds if kind.startswith("{}-{}-".format(*facts[2:4]))]
    install = (
        "Install Python {} from {}".format(here[0].rpartition("-")[2], DOWNLOADS) if here else "Take another laptop"
    )
    return (
        "The packages beside the course are for {}; this is {}. {}, or connect to the internet, and run the same "
        "again.".format(", ".join(kinds), kind_of(facts), install)
    )


def bundled_packages():
    """List the folders of packages that lie beside the course for the Python of .venv, each package sound; or none."""
    facts = describe([str(VENV_PYTHON)])
    if not WHEELS.is_dir() or not facts:
        return []
    folders = [WHEELS / kind_of(facts), WHEELS / "any"]
    if not folders[0].is_dir():
        print(not_bundled(facts) + " (Now the network is tried.)")
        return []
    print("Looking whether the packages beside the course are whole ...")
    broken = [] if SUMS.is_file() else [SUMS.name]
    for line in [] if broken else SUMS.read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        path = HERE / name
        if path.parent in folders and not (path.is_file() and sha256(path) == digest):
            broken.append(name)
    if broken:
        raise SetupError("Damaged or missing: {}. Copy the course from the stick once more.".format(", ".join(broken)))
    return folders


def sha256(path):
    """Hash a file of any size."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        part = file.read(2**20)
        while part:
            digest.update(part)
            part = file.read(2**20)
    return digest.hexdigest()


def fingerprint():
    """Hash what decides the contents of .venv: this folder, its Python and two files; "" without a Python."""
    facts = describe([str(VENV_PYTHON)])
    if not facts or objection(*facts[:6], ensurepip="ensurepip"):
        return ""
    digest = hashlib.sha256("{} {}".format(HERE, facts[:2]).encode("utf-8", "surrogateescape"))
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()


def read_stamp():
    """Return the words of the stamp: the fingerprint, the extras, and UNFINISHED; none without a stamp."""
    return STAMP.read_text(encoding="utf-8").split() if STAMP.is_file() else []


def write_stamp(words):
    """Replace the stamp at once: a kill leaves the old one or the new one."""
    half = STAMP.with_suffix(".part")
    half.write_text(" ".join(words), encoding="utf-8")
    half.replace(STAMP)


def usable(extras):
    """Tell whether .venv is whole and has these extras, be it up to date or not."""
    words = read_stamp()
    return bool(words) and UNFINISHED not in words and extras <= set(words[1:])


def ready(extras):
    """Tell whether .venv is whole, up to date, and has these extras."""
    return usable(extras) and read_stamp()[0] == fingerprint()


def damaged(extras):
    """Name the packages of .venv that are missing or have lost files; pip if there is none to ask with."""
    command = [str(VENV_PYTHON), "-I", str(HERE / "course_utils" / "app" / "pieces.py")] + sorted(extras)
    try:
        return set(subprocess.check_output(command, stderr=subprocess.DEVNULL).decode("ascii", "replace").split())
    except (OSError, subprocess.SubprocessError):
        return {"pip"}


@contextlib.contextmanager
def locked(path):
    """Hold a file lock, which the system takes back when this process and those it started have ended."""
    with path.open("a") as file:
        os.set_inheritable(file.fileno(), True)  # a pip that outlives a killed start.py goes on holding it
        for attempt in range(sys.maxsize):
            try:
                if os.name == "nt":
                    import msvcrt

                    file.seek(0)
                    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                else:
                    import fcntl

                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except (BlockingIOError, PermissionError):
                if attempt == 0:
                    print("Another start.py is setting up this folder. Waiting for it ...")
                time.sleep(0.5)
            except OSError:
                break  # a network drive that knows no locks: better without one than not at all
        yield


def answers(url, seconds=3.0):
    """Find out quickly whether a server answers; pip itself would try for minutes."""
    found = []

    def ask():
        with contextlib.suppress(OSError):
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=seconds).close()
            found.append(True)

    thread = threading.Thread(target=ask, daemon=True)  # looking up a name has no time limit of its own
    thread.start()
    thread.join(seconds)
    return bool(found)


def make_environment():
    """Make .venv without packages; one that is there, but has no Python that will do, is set aside."""
    python = find_python()
    free = shutil.disk_usage(str(HERE)).free / 2**30
    if free < 3:
        raise SetupError("The course needs about 3 GB of disk; {:.1f} GB are free in {}.".format(free, HERE))
    if VENV.exists() and OLD.exists():  # of the two, the one that once was whole is kept
        shutil.rmtree(str(OLD if usable(set()) else VENV))
    if VENV.exists():
        VENV.rename(OLD)
    print("Making the folder .venv ...")
    if subprocess.call(python + ["-m", "venv", str(VENV)], close_fds=False):
        raise SetupError("{} -m venv failed; its own words are above.".format(" ".join(python)))


def pip_install(words, extras):
    """Let pip install into .venv by the versions that were tested; what lies beside the course needs no network."""
    command = [str(VENV_PYTHON), "-m", "pip", "install", "-c", "constraints.txt"]
    folders = bundled_packages()
    if folders:
        command += [word for folder in folders for word in ("--find-links", str(folder))]
    if folders and not extras:  # of which there are none beside the course
        command += ["--no-index"]
    elif sys.platform == "linux" and answers(CPU_INDEX + "/torch/"):
        command += ["--extra-index-url", CPU_INDEX]
    # PIP_USER: a user's pip setting "user = true" does not work in a virtual environment.
    environment = dict(clean_environment(), PIP_USER="0")
    if subprocess.call(command + words, cwd=str(HERE), env=environment, close_fds=False):
        raise SetupError(
            "The installation did not finish; pip's own words are above. Is there a network? Does it need a "
            "proxy (set HTTPS_PROXY)? Is the disk full? Then run the same again: what was downloaded is kept."
        )


def mend(extras):
    """Install once more what is missing or not whole: pip itself takes what is on its list for whole."""
    if "pip" in damaged(extras):
        print("Putting pip back into .venv ...")
        if subprocess.call([str(VENV_PYTHON), "-c", RESTORE_PIP], close_fds=False):
            raise SetupError("The Python of .venv has no pip. On Debian and Ubuntu: sudo apt install python3-venv")
    broken = damaged(extras) - {"text-embeddings-course"}  # this comes from the folder, never from an index
    if broken:
        pip_install(["--force-reinstall", "--no-deps"] + sorted(broken), extras)


def install(extras):
    """Make .venv, mend it, or bring it up to date; what is there is kept until something newer works."""
    if not fingerprint():
        make_environment()
    words, was_usable = read_stamp(), usable(set())
    extras_before = [word for word in words[1:] if word != UNFINISHED]
    damaged_before = damaged(extras_before)
    if UNFINISHED in words:
        print("The last set-up did not finish. Going on; what was downloaded is kept.")
    write_stamp((words or ["-"]) + [UNFINISHED])
    print("Installing the course into .venv (the first time a few minutes and about 2 GB) ...")
    try:
        mend(extras_before)
        wanted = sorted(extras.union(extras_before))
        pip_install(["-e", ".[{}]".format(",".join(wanted)) if wanted else "."], wanted)
        mend(wanted)  # now all is on the list, so that all that was cut short shows
    except SetupError:
        damaged_now = damaged(extras_before)
        if not damaged_now or was_usable and damaged_now <= damaged_before:
            write_stamp((words[:1] or ["-"]) + extras_before)  # it is as good as it was, and stays in use
        raise
    shutil.rmtree(str(OLD), ignore_errors=True)
    write_stamp([fingerprint()] + wanted)


def clean_environment():
    """Copy the environment without the variables that would mix another Python's packages into .venv."""
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}


def set_up(command, extras):
    """Set up what is missing; return whether there is something that can be used."""

    def complete():
        return ready(extras) and not (command in ("setup", "test") and damaged(read_stamp()[1:]))

    try:
        if not complete():
            with locked(HERE / ".venv.lock"):
                if not complete():  # another start may have done it while this one waited
                    install(extras)
        return True
    except SetupError as error:
        print("\n{}".format(error))
    except OSError as error:
        print("\nThe set-up could not write to the folder {} ({}).".format(HERE, error))
        print("Copy the course to a folder of your own, or close the programs that use its .venv.")
    if command == "setup" or not usable(extras) or not fingerprint():
        return False
    print("\nMeanwhile the course goes on as it was installed before. The next start tries again.")
    return True


def main(arguments):
    """Set up what is missing, then hand over to the `course` command; return its exit status."""
    if arguments in (["-h"], ["--help"]) and not ready(set()):
        print(__doc__)
        return 0
    if not arguments or arguments[0].startswith("-") and arguments not in (["-h"], ["--help"]):
        arguments = ["lab"] + arguments
    extras = {"bench", "dev", "files", "finetune", "remote", "scale"} if arguments[0] == "test" else set()
    if not set_up(arguments[0], extras):
        return 1
    command = [str(VENV_PYTHON), "-c", COMMAND] + arguments
    if os.name != "nt":
        os.execve(command[0], command, clean_environment())
    process = subprocess.Popen(command, env=clean_environment())  # Windows has no exec
    while True:
        with contextlib.suppress(KeyboardInterrupt):  # Ctrl+C is the command's own affair
            return process.wait()


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):  # a console that lacks a letter shows a question mark
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace", line_buffering=True)
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("\nStopped. Run the same command again to go on.")
        sys.exit(130)
