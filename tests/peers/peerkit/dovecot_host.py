"""Dovecot as the last stop: its LMTP server, into one Maildir for everybody."""

from __future__ import annotations

import os
import pathlib
import shutil

import pytest

from peerkit.dovecot import DOVECOT
from peerkit.hosts import Host, in_private
from peerkit.programs import TOP

LMTP = pathlib.Path(os.environ.get("DOVECOT_LMTP_TOOLS") or TOP / ".tools" / "dovecot-lmtpd")
CONFIG = """
base_dir = {home}/run
state_dir = {home}/run
libexec_dir = {tools}/usr/lib/dovecot
log_path = {home}/log
protocols = lmtp
ssl = no
hostname = dovecot.test
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
first_valid_uid = 0
import_environment = LD_LIBRARY_PATH
mail_location = maildir:{home}/mail
mail_fsync = never
lmtp_user_concurrency_limit = 0
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={home}/mail allow_all_users=yes
}}
passdb {{
  driver = static
  args = nopassword=yes
}}
service lmtp {{
  executable = {lmtp}
  chroot =
  client_limit = 1
  process_limit = 100
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
service auth {{
  chroot =
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


class DovecotHost(Host):
    """`port` speaks LMTP."""

    name = "dovecot"
    adds = frozenset({b"return-path", b"delivered-to", b"received"})

    def command(self) -> list[str]:
        lmtp = LMTP.resolve() / "usr" / "lib" / "dovecot" / "lmtp"
        for needed in (lmtp, DOVECOT / "usr" / "sbin" / "dovecot"):
            if not needed.exists():
                pytest.skip(f"{needed} is not there: run make test-tools")
        (self.home / "run").mkdir()
        shutil.chown(self.maildir, "nobody", "nogroup")
        tools = DOVECOT.resolve()
        config = self.home / "dovecot.conf"
        config.write_text(CONFIG.format(home=self.home, tools=tools, lmtp=lmtp, port=self.port))
        # As in peerkit.dovecot: the master looks for a doveconf that is not installed, so ours starts it.
        doveconf = [str(tools / "usr/bin/doveconf"), "-c", str(config), "-f", "service=master", "-e"]
        # This place is compiled in, and its LMTP wants it there, even empty.
        private = in_private(self.home, [(tools / "usr/lib/dovecot/modules", "/usr/lib/dovecot/modules")])
        return [*private, *doveconf, str(tools / "usr/sbin/dovecot"), "-F", "-c", str(config)]

    def environment(self) -> dict[str, str]:
        libraries = DOVECOT.resolve() / "usr" / "lib" / "dovecot"
        return {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": f"{libraries}:{libraries}/modules/old-stats"}

    def log(self) -> str:
        path = self.home / "log"
        return path.read_text(errors="replace") if path.exists() else "no log"
