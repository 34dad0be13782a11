"""Set up the course and start it. Nothing needs to be installed first but Python 3.11 to 3.14.

    python start.py            open JupyterLab on lesson 1 (with --no-browser on a server)
    python start.py test       run every test
    python start.py doctor     say what is wrong on this machine
    python start.py --help     more of these

The first start makes the folder .venv beside this file and installs the course into it: a few minutes, about
2 GB. Later starts take seconds. Nothing is installed or registered anywhere else; to undo, delete .venv.

Standard library only, in the words of Python 3.8, so that an old Python can say what is missing.
"""

import contextlib
import hashlib
import io
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
# Empty while an installation is under way, so that one which was cut short is never taken for a whole one.
STAMP = VENV / "course-setup.txt"
# PyPI's own torch for Linux brings gigabytes of libraries for NVIDIA cards; this index has it without.
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
DOWNLOADS = "https://www.python.org/downloads/"
ELSEWHERE = "The course also runs in a browser, on Google Colab or GitHub Codespaces: see README.md."

ASK_PYTHON = """
import importlib.util, platform, sys, sysconfig
print(*sys.version_info[:2], platform.system() or "-", platform.machine() or "-", sysconfig.get_platform(),
      platform.mac_ver()[0] or "-", "ensurepip" if importlib.util.find_spec("ensurepip") else "-")
"""


class SetupError(Exception):
    """Something that the reader of the message can put right."""


def describe(command):
    """Ask a Python what it is: the seven words that ASK_PYTHON prints, or None when it does not start."""
    try:
        output = subprocess.check_output([*command, "-c", ASK_PYTHON], stderr=subprocess.DEVNULL, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return output.decode("ascii", "replace").split()


def objection(major, minor, system, machine, platform_tag, macos, ensurepip):
    """Say why the course cannot run on such a Python, and the remedy; an empty string when it can."""
    if system == "Darwin" and machine == "x86_64":
        return f"PyTorch no longer supports Macs with an Intel processor, or an Intel Python. {ELSEWHERE}"
    if system == "Darwin" and macos != "-" and int(macos.split(".")[0]) < 14:
        return f"PyTorch needs macOS 14 or newer, and this is macOS {macos}. Update it. {ELSEWHERE}"
    if platform_tag == "win-arm64":
        return f"PyTorch does not support Windows on ARM processors. {ELSEWHERE}"
    if platform_tag == "win32":
        return f"This is a 32-bit Python. Install the 64-bit Python 3.12 from {DOWNLOADS}."
    if system == "Linux" and machine not in ("x86_64", "aarch64"):
        return f"PyTorch has no package for Linux on {machine}. {ELSEWHERE}"
    if major != "3" or not 11 <= int(minor) <= 14:
        return (
            f"The course needs Python 3.11, 3.12, 3.13 or 3.14; this is Python {major}.{minor}. "
            f"Install one from {DOWNLOADS} beside yours and run this again. {ELSEWHERE}"
        )
    if ensurepip == "-":
        return f"This Python cannot make virtual environments. First: sudo apt install python3.{minor}-venv"
    return ""


def find_python():
    """Return the command of a Python that the course runs on: this one if it will do, else one from PATH."""
    launcher = ["py", "-3.{}"] if os.name == "nt" else ["python3.{}"]
    others = [[word.format(minor) for word in launcher] for minor in range(11, 15)]
    complaints = []
    for command in [[sys.executable], *others]:
        facts = describe(command)
        if facts:
            complaints.append(objection(*facts))
            if not complaints[-1]:
                return command
    raise SetupError(complaints[0] if complaints else f"No Python answers. Install 3.12 from {DOWNLOADS}.")


def fingerprint():
    """Hash what decides the contents of .venv: this folder, its Python and two files; "" without a Python."""
    facts = describe([str(VENV_PYTHON)])
    if not facts or objection(*facts[:6], "ensurepip"):
        return ""
    digest = hashlib.sha256(f"{HERE} {facts[:2]}".encode("utf-8", "surrogateescape"))
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()


def read_stamp():
    """Return the fingerprint and the extras of .venv; [] for one that was cut short, None without a stamp."""
    return STAMP.read_text(encoding="utf-8").split() if STAMP.is_file() else None


def ready(extras):
    """Tell whether .venv is whole, up to date, and has these extras."""
    words = read_stamp()
    return bool(words) and words[0] == fingerprint() and extras <= set(words[1:])


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
                    print("Another start.py is setting up this folder. Waiting for it …")
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


def install(extras):
    """Make .venv, or bring it up to date; the stamp is written last."""
    words = read_stamp()
    if words == []:
        print("The last set-up did not finish. Starting it again; what was downloaded is kept.")
    if VENV.exists() and (words == [] or not fingerprint()):
        shutil.rmtree(VENV)
    extras = sorted(extras.union((words or [])[1:]))
    if not VENV.exists():
        python = find_python()
        free = shutil.disk_usage(HERE).free / 2**30
        if free < 3:
            raise SetupError(f"The course needs about 3 GB of disk; {free:.1f} GB are free in {HERE}.")
        print("Making the folder .venv …")
        VENV.mkdir()
        STAMP.touch()
        if subprocess.call([*python, "-m", "venv", str(VENV)], close_fds=False):
            raise SetupError(f"{' '.join(python)} -m venv failed; its own words are above.")
    STAMP.write_text("", encoding="utf-8")
    print("Installing the course into .venv (the first time a few minutes and about 2 GB) …")
    command = [str(VENV_PYTHON), "-m", "pip", "install", "-c", "constraints.txt"]
    if sys.platform == "linux" and answers(f"{CPU_INDEX}/torch/"):
        command += ["--extra-index-url", CPU_INDEX]
    command += ["-e", f".[{','.join(extras)}]" if extras else "."]
    # PIP_USER: a user's pip setting "user = true" does not work in a virtual environment.
    if subprocess.call(command, cwd=HERE, env={**clean_environment(), "PIP_USER": "0"}, close_fds=False):
        raise SetupError(
            "The installation did not finish; pip's own words are above. Is there a network? Does it need a "
            "proxy (set HTTPS_PROXY)? Is the disk full? Then run the same again: what was downloaded is kept."
        )
    STAMP.write_text(" ".join([fingerprint(), *extras]), encoding="utf-8")


def clean_environment():
    """Copy the environment without the variables that would mix another Python's packages into .venv."""
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}


def main(arguments):
    """Set up what is missing, then hand over to the `course` command; return its exit status."""
    if arguments in (["-h"], ["--help"]) and not ready(set()):
        print(__doc__)
        return 0
    if not arguments or arguments[0].startswith("-") and arguments not in (["-h"], ["--help"]):
        arguments = ["lab", *arguments]
    extras = {"bench", "dev", "files", "finetune", "remote", "serve"} if arguments[0] == "test" else set()
    try:
        if not ready(extras):
            with locked(HERE / ".venv.lock"):
                if not ready(extras):  # another start may have done it while this one waited
                    install(extras)
    except SetupError as error:
        print(f"\n{error}")
        return 1
    except OSError as error:
        print(f"\nThe set-up could not write to the folder {HERE} ({error}).")
        print("Copy the course to a folder of your own, or close the programs that use its .venv.")
        return 1
    command = [str(VENV_PYTHON), "-m", "course_utils.app.cli", *arguments]
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
