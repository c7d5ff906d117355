"""Dovecot's auth as a server of its own, from .tools/dovecot, in a folder of the test: its users and its socket."""

from __future__ import annotations

import contextlib
import getpass
import grp
import os
import pathlib
import signal
import subprocess
import time

import pytest

from peerkit.programs import TOP

DOVECOT = pathlib.Path(os.environ.get("DOVECOT_TOOLS") or TOP / ".tools" / "dovecot")

CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/run
libexec_dir = {tools}/usr/lib/dovecot
log_path = {folder}/log
protocols =
ssl = no
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 0
import_environment = LD_LIBRARY_PATH
auth_mechanisms = plain login scram-sha-256
auth_failure_delay = 0 secs
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
service auth {{
  chroot =
  user = {user}
  unix_listener {folder}/auth-client {{
    mode = 0600
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


class Dovecot:
    """`with Dovecot(folder) as dovecot`: it listens on `socket` and reads its users from `users`."""

    def __init__(self, folder: pathlib.Path) -> None:
        if not (DOVECOT / "usr" / "sbin" / "dovecot").exists():
            pytest.skip(f"{DOVECOT} is not there: run make test-tools")
        self.folder = folder
        self.users = folder / "users"
        self.socket = folder / "auth-client"
        self._config = folder / "dovecot.conf"
        folder.mkdir()
        (folder / "run").mkdir()
        self.users.touch()
        names = {"user": getpass.getuser(), "group": grp.getgrgid(os.getgid()).gr_name}
        self._config.write_text(CONFIG.format(folder=folder, tools=DOVECOT, **names))
        libraries = DOVECOT / "usr" / "lib" / "dovecot"
        self._environment = {
            "PATH": os.environ["PATH"],
            "LD_LIBRARY_PATH": f"{libraries}:{libraries}/modules/old-stats",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def hash(self, scheme: str, password: str) -> str:
        """What `doveadm pw` makes of it."""
        made = subprocess.run(
            [*self._with_config(), DOVECOT / "usr/bin/doveadm", "pw", "-s", scheme, "-p", password],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return made.stdout.strip()

    def start(self) -> None:
        # The master wants to start /usr/bin/doveconf, which is not there; so it is started by our doveconf.
        command = [*self._with_config(), DOVECOT / "usr/sbin/dovecot", "-F", "-c", self._config]
        self._process = subprocess.Popen(command, env=self._environment, start_new_session=True)
        end = time.monotonic() + 30
        while not self.socket.exists():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < end, self.log()
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            with contextlib.suppress(ProcessLookupError):  # its auth stays for the clients that it has
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process = None
            self.socket.unlink(missing_ok=True)

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else "no log"

    def _with_config(self) -> list[str | pathlib.Path]:
        """`doveconf -e` puts the settings into the environment and becomes the program behind it."""
        return [DOVECOT / "usr/bin/doveconf", "-c", self._config, "-f", "service=master", "-e"]

    def __enter__(self) -> Dovecot:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
