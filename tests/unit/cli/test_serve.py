"""The parts of `serve` that need no process; tests/peers/test_ends.py has the rest."""

from __future__ import annotations

import errno
import ssl

import pytest

from asyncmta.admin.control_socket import SocketTaken
from asyncmta.admin.guard import OpenDoor
from asyncmta.auth.reading import UsersRefused
from asyncmta.cli import serve
from asyncmta.cli.exits import Exit
from asyncmta.inbound.certificate_files import CertificatesRefused
from asyncmta.spool.store import JournalFailed, SpoolRefused
from asyncmta.system.addresses import AddressUnavailable
from asyncmta.system.disk import Locked


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Locked("/spool/lock", 42), Exit.CANT_CREATE),
        (PermissionError(errno.EACCES, "Permission denied", "/spool"), Exit.CANT_CREATE),
        (SocketTaken("control.sock: another process answers there"), Exit.CANT_CREATE),
        (SpoolRefused("of a later version"), Exit.CANT_CREATE),
        (AddressUnavailable(errno.EADDRINUSE, "error while attempting to bind on address"), Exit.UNAVAILABLE),
        (AddressUnavailable(errno.EACCES, "error while attempting to bind on address"), Exit.UNAVAILABLE),
        (AddressUnavailable(errno.EIO, "whatever an address may say"), Exit.UNAVAILABLE),
        (OSError(errno.EIO, "Input/output error"), Exit.IO_ERROR),  # fsync names no file
        (OSError(errno.EIO, "Input/output error", "/spool/journal/0000000001.seg"), Exit.IO_ERROR),
        (OSError(errno.EUCLEAN, "Structure needs cleaning"), Exit.IO_ERROR),
        (OSError(errno.ENOSPC, "No space left on device"), Exit.CANT_CREATE),
        (OSError(errno.EROFS, "Read-only file system"), Exit.CANT_CREATE),
        (OSError(errno.EACCES, "of the control socket: bind names no file"), Exit.CANT_CREATE),
        (JournalFailed("fdatasync: Input/output error"), Exit.IO_ERROR),
        (OpenDoor("set admin.token"), Exit.CONFIG),
        (ssl.SSLError("no certificate"), Exit.CONFIG),
        (CertificatesRefused("mx.pem: cannot be read", "certificate"), Exit.CONFIG),
        (UsersRefused("users: line 1: not a login"), Exit.CONFIG),
        (ValueError("a bug"), None),
    ],
)
def test_a_start_that_failed_ends_with_the_code_of_its_reason(error, code):
    assert serve.exit_code(error) is code


def test_uvloop_is_used_where_it_is_there(monkeypatch):
    import sys

    import uvloop

    assert serve.loop_factory() is uvloop.new_event_loop
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert serve.loop_factory() is None


def test_as_many_files_as_the_hard_limit_allows():
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        serve.allow_many_files()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert soft == hard == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_addresses_as_people_write_them():
    assert [serve.shown(each) for each in (("127.0.0.1", 25), ("::1", 25), None)] == ["127.0.0.1:25", "[::1]:25", ""]
