"""Real programs, found or the test is skipped with the reason."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent.parent
POSTFIX = pathlib.Path(os.environ.get("POSTFIX_TOOLS") or TOP / ".tools" / "postfix")

# Of a main.cf: where an unpacked Postfix finds itself, and keeps what it writes.
PLACES = """
compatibility_level = 3.6
queue_directory = {home}/spool
data_directory = {home}/data
daemon_directory = {top}/usr/lib/postfix/sbin
shlib_directory = {top}/usr/lib/postfix
command_directory = {top}/usr/sbin
meta_directory = {top}/etc/postfix
mail_owner = {owner}
setgid_group = {group}
maillog_file = {home}/log/maillog
maillog_file_prefixes = {home}/log
import_environment = MAIL_CONFIG MAIL_LOGTAG LD_LIBRARY_PATH TZ PATH
export_environment = MAIL_CONFIG LD_LIBRARY_PATH TZ
"""


def program(name: str) -> str:
    """The path of a program of the machine."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: run make test-tools")
    return found


def postfix_program(name: str) -> str:
    """smtp-source or smtp-sink, unpacked under .tools."""
    path = POSTFIX / "usr" / "sbin" / name
    if not path.exists():
        pytest.skip(f"{path} is not there: run make test-tools")
    return str(path)


def postfix_environment() -> dict[str, str]:
    return os.environ | {"LD_LIBRARY_PATH": str(POSTFIX / "usr" / "lib" / "postfix")}


def smtp_source(port: int, messages: int, *options: str, sessions: int = 20, timeout: float = 300) -> None:
    """Send them over kept connections; fails the test when one was not taken."""
    command = [postfix_program("smtp-source"), "-4", "-d", "-C", "10", "-s", str(sessions), "-m", str(messages)]
    command += ["-f", "sender@source.test", *options, f"inet:127.0.0.1:{port}"]
    ended = subprocess.run(command, env=postfix_environment(), capture_output=True, timeout=timeout, check=False)
    assert ended.returncode == 0, ended.stderr.decode(errors="replace")[-500:]
