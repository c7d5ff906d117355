"""Exim as the last stop: its daemon, and appendfile into one Maildir."""

from __future__ import annotations

import os
import pathlib
import shutil

import pytest

from peerkit.hosts import Host, in_private
from peerkit.programs import TOP

EXIM = pathlib.Path(os.environ.get("EXIM_TOOLS") or TOP / ".tools" / "exim")
# The Debian package makes the user; here it is in this server's /etc/passwd only, and so is the only place that this
# program reads its configuration from.
USERS, GROUPS = "Debian-exim:x:64010:64010::{home}:/bin/false\n", "Debian-exim:x:64010:\n"
CONFIG = """
primary_hostname = exim.test
exim_path = {program}
spool_directory = {home}/spool
log_file_path = {home}/log/%slog
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
disable_ipv6 = true
keep_environment =
tls_advertise_hosts =
pipelining_connect_advertise_hosts =
hosts_treat_as_local =
chunking_advertise_hosts = *
smtputf8_advertise_hosts = *
acl_smtp_rcpt = accept
acl_smtp_data = accept
never_users = root
smtp_accept_max = 100
smtp_accept_queue_per_connection = 0
smtp_accept_max_per_connection = 0
queue_only = true
queue_run_max = 3
message_size_limit = 0
header_maxsize = 4M
received_headers_max = 100
return_path_remove = false
envelope_to_remove = false
delivery_date_remove = false
split_spool_directory = true
check_rfc2047_length = false

begin routers
all:
  driver = accept
  domains = {domain}
  transport = maildir

begin transports
maildir:
  driver = appendfile
  maildir_format
  directory = {home}/mail
  user = nobody
  group = nogroup
  message_size_limit = 0
  check_string =
  escape_string =
  envelope_to_add
"""


class EximHost(Host):
    """It runs as on a machine of its own: receives as its user, delivers as nobody; from its queue, since a process for
    each message at once would be hundreds."""

    name = "exim"
    adds = frozenset({b"envelope-to", b"received"})
    names_recipient = b"envelope-to"
    takes_smtputf8 = True

    def command(self) -> list[str]:
        daemon = EXIM.resolve() / "usr" / "sbin" / "exim4"
        if not daemon.exists():
            pytest.skip(f"{daemon} is not there: run make test-tools")
        (self.home / "etc").mkdir()
        users = USERS.format(home=self.home)
        private = in_private(self.home, [(self.home / "etc", "/etc/exim4")], users, GROUPS)
        config = self.home / "etc" / "exim4.conf"
        config.write_text(CONFIG.format(home=self.home, program=daemon, port=self.port, domain=self.domain))
        config.chmod(0o640)
        os.chown(config, 0, 64010)
        for name in ("spool", "log"):
            (self.home / name).mkdir()
            os.chown(self.home / name, 64010, 64010)
        shutil.chown(self.maildir, "nobody", "nogroup")
        return [*private, str(daemon), "-bdf", "-q1s"]

    def log(self) -> str:
        found = [path.read_text(errors="replace") for path in sorted((self.home / "log").glob("*log"))]
        return "".join(found) or "no log"
