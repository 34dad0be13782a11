"""Refuses connections that leave this machine. Python imports this at its start where the folder is on PYTHONPATH.

It stands in where the tests cannot have a network of their own (tests/conftest.py): child processes and kernels
inherit it. It holds for code that goes through Python's `socket`; a browser, for one, does not.
"""

import errno
import ipaddress
import socket

_connect, _connect_ex, _getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo


def _is_local(host):
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host in ("", "localhost", socket.gethostname())


def _is_refused(sock, address):
    return sock.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(address[0])


def connect(self, address):
    if _is_refused(self, address):
        raise OSError(errno.ENETUNREACH, f"the tests block the network, {address[0]} included")
    return _connect(self, address)


def connect_ex(self, address):
    return errno.ENETUNREACH if _is_refused(self, address) else _connect_ex(self, address)


def getaddrinfo(host, *args, **kwargs):
    name = host.decode() if isinstance(host, bytes) else host
    if name is not None and not name.replace(".", "").isdigit() and ":" not in name and not _is_local(name):
        raise socket.gaierror(socket.EAI_NONAME, f"the tests block the network, {name} included")
    return _getaddrinfo(host, *args, **kwargs)


socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo = connect, connect_ex, getaddrinfo
