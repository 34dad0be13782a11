"""The outside network is blocked in the tests, in their child processes, and by the guard alone; loopback works."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

GUARD = Path(__file__).parents[1] / "offline"
SERVE_MYSELF = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), 5):
    print("loopback works")
"""
GO_OUTSIDE = """
import errno, socket
with socket.socket() as outside:
    outside.settimeout(10)
    try:
        outside.connect(("1.1.1.1", 443))
    except OSError as error:
        print("refused" if error.errno == errno.ENETUNREACH else error, error)
    print("refused" if outside.connect_ex(("1.1.1.1", 443)) == errno.ENETUNREACH else "open")
try:
    print(socket.getaddrinfo("pypi.org", 443))
except socket.gaierror as error:
    print("refused", error)
"""


def child(code: str, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, encoding="utf-8", timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_this_process_cannot_get_out(capsys):
    exec(GO_OUTSIDE, {})
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["refused"] * 3


def test_a_child_process_cannot_get_out():
    assert [line.split()[0] for line in child(GO_OUTSIDE)] == ["refused"] * 3


def test_a_child_process_can_talk_to_itself():
    assert child(SERVE_MYSELF) == ["loopback works"]


@pytest.mark.skipif(os.environ.get("COURSE_TESTS_OFFLINE") != "namespace", reason="needs a network namespace")
def test_a_namespace_has_loopback_only():
    assert child("import socket; print([name for _, name in socket.if_nameindex()])") == ["['lo']"]


def test_the_guard_alone_refuses_the_outside_and_lets_loopback_pass():
    refused = child(GO_OUTSIDE, PYTHONPATH=str(GUARD))
    assert [line.split()[0] for line in refused] == ["refused"] * 3
    assert "the tests block the network" in refused[0] and "the tests block the network" in refused[2]
    assert child(SERVE_MYSELF, PYTHONPATH=str(GUARD)) == ["loopback works"]
