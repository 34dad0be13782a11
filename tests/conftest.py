"""Cuts the tests off from the outside network, before anything is started that could use it.

On Linux this process moves into a network namespace of its own, in which there is only loopback; workers, kernels and
browsers are born into it. Elsewhere, or where namespaces are not allowed, `offline/sitecustomize.py` refuses outside
connections in every Python. `unit/test_offline.py` proves that it holds.
"""

import contextlib
import ctypes
import importlib
import os
import socket
import struct
import sys
import tempfile
from pathlib import Path

GUARD = Path(__file__).parent / "offline"


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="run the long forms too: lessons at full size in JupyterLab")


def pytest_configure(config):
    if "COURSE_TESTS_OFFLINE" in os.environ:
        return  # a worker, which has inherited everything
    os.environ["COURSE_TESTS_OFFLINE"] = "namespace" if enter_empty_network() else "guard"
    if os.environ["COURSE_TESTS_OFFLINE"] == "guard":
        python_path = [str(GUARD), *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(python_path)
        sys.path.insert(0, str(GUARD))
        sys.modules.pop("sitecustomize", None)
        importlib.import_module("sitecustomize")
    if "COURSE_CACHE_DIR" in os.environ:  # notebooks run in other folders
        os.environ["COURSE_CACHE_DIR"] = str(Path(os.environ["COURSE_CACHE_DIR"]).resolve())
    # what a user has set for Jupyter and IPython must not decide whether a test passes
    settings = tempfile.TemporaryDirectory()
    config.add_cleanup(settings.cleanup)
    os.environ |= {name: str(Path(settings.name) / name) for name in ("JUPYTER_CONFIG_DIR", "IPYTHONDIR")}


def enter_empty_network() -> bool:
    """Move this process into a network with nothing but loopback; return whether that was possible."""
    if sys.platform != "linux":
        return False
    new_network, new_user = 0x40000000, 0x10000000
    for flags in (new_network, new_network | new_user):  # the first is for root
        # Tried in a child first: half of it, a network without loopback, would be worse than nothing.
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                _unshare(flags)
                os._exit(0)
            os._exit(1)
        if os.waitpid(child, 0)[1] == 0:
            with contextlib.suppress(OSError):
                _unshare(flags)
                return True
    return False


def _unshare(flags: int) -> None:
    import fcntl

    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None, use_errno=True).unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare")
    if flags & 0x10000000:  # in a new user namespace one is nobody until one says who
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            Path("/proc/self", name).write_text(text, encoding="ascii")
    set_flags, up = 0x8914, 1
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sH14x", b"lo", up))
