"""Dovecot as the reader of Maildirs: its IMAP server, with its quota as `maildirsize` has it."""

from __future__ import annotations

import imaplib
import os
import pathlib
import shutil

import pytest

from peerkit.dovecot import DOVECOT
from peerkit.hosts import Host, in_private
from peerkit.programs import TOP

IMAP = pathlib.Path(os.environ.get("DOVECOT_IMAP_TOOLS") or TOP / ".tools" / "dovecot-imapd")
NOBODY = 65534
CONFIG = """
base_dir = {home}/run
state_dir = {home}/run
libexec_dir = {home}/libexec
log_path = {home}/log
protocols = imap
ssl = no
disable_plaintext_auth = no
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
first_valid_uid = 0
import_environment = LD_LIBRARY_PATH
mail_location = maildir:{home}/mail/%d/%n
mail_plugin_dir = {home}/modules
mail_plugins = quota
mail_max_userip_connections = 1000
plugin {{
  quota = maildir:User quota
}}
namespace inbox {{
  inbox = yes
}}
protocol imap {{
  mail_plugins = quota imap_quota
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={home}/mail allow_all_users=yes
}}
passdb {{
  driver = static
  args = nopassword=yes
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
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


class DovecotImap(Host):
    """`with DovecotImap() as dovecot`: mail of `user@domain` is in `mail/domain/user`, all of it nobody's."""

    name = "dovecot-imap"
    greeting = b"* O"

    def command(self) -> list[str]:
        imap = IMAP.resolve() / "usr" / "lib" / "dovecot"
        for needed in (imap / "imap", DOVECOT / "usr" / "sbin" / "dovecot"):
            if not needed.exists():
                pytest.skip(f"{needed} is not there: run make test-tools")
        (self.home / "run").mkdir()
        tools = DOVECOT.resolve()
        core = tools / "usr/lib/dovecot"
        for made, folders in (("libexec", (core, imap)), ("modules", (core / "modules", imap / "modules"))):
            (self.home / made).mkdir()
            for path in (path for folder in folders for path in folder.iterdir() if path.is_file()):
                (self.home / made / path.name).symlink_to(path)
        shutil.chown(self.maildir, "nobody", "nogroup")
        config = self.home / "dovecot.conf"
        config.write_text(CONFIG.format(home=self.home, port=self.port))
        doveconf = [str(tools / "usr/bin/doveconf"), "-c", str(config), "-f", "service=master", "-e"]
        private = in_private(self.home, [(tools / "usr/lib/dovecot/modules", "/usr/lib/dovecot/modules")])
        return [*private, *doveconf, str(tools / "usr/sbin/dovecot"), "-F", "-c", str(config)]

    def environment(self) -> dict[str, str]:
        libraries = DOVECOT.resolve() / "usr" / "lib" / "dovecot"
        return {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": f"{libraries}:{libraries}/modules/old-stats"}

    def log(self) -> str:
        path = self.home / "log"
        return path.read_text(errors="replace") if path.exists() else "no log"

    def login(self, user: str) -> imaplib.IMAP4:
        session = imaplib.IMAP4("127.0.0.1", self.port, timeout=60)
        session.login(user, "any")
        return session
