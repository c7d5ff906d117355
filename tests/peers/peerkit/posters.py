"""Programs that hand mail to a `sendmail`: cron, bsd-mailx, git send-email, PHP's mail(), mutt. Each is given ours.

Those that know one place only (cron) run in a mount namespace of their own, where ours stands there.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from peerkit.programs import TOP

BIN = pathlib.Path(sys.executable).parent
SENDMAIL = str(BIN / "sendmail")
NOBODY, DAEMON = 65534, 1
# Python, or all of this, may stand in a folder of root's, where nobody else can pass: for these processes alone both
# are made passable. They are kept elsewhere while what they stand in is covered.
PASSABLE = """
set -e
mount --make-rprivate /
closed_above() {
  at=$1; closed=
  while [ "$at" != / ]; do
    case $(stat -c %A "$at") in *[xt]) ;; *) closed=$at ;; esac
    at=$(dirname "$at")
  done
  echo "$closed"
}
put() {
  if [ -n "$3" ]; then mkdir -p "$2"; mount --move "$1" "$2"; else umount "$1"; fi
  rmdir "$1"
}
python=$1; top=$2; shift 2
above_python=$(closed_above "$python"); above_top=$(closed_above "$top")
place=$(mktemp -d /tmp/passable.XXXXXX)
mkdir "$place/python" "$place/top"
mount --bind "$python" "$place/python"
mount --bind "$top" "$place/top"
for closed in $(printf '%s\\n' "$above_python" "$above_top" | sort -u); do
  mount -t tmpfs -o mode=755 tmpfs "$closed"
done
put "$place/python" "$python" "$above_python"
put "$place/top" "$top" "$above_top"
rmdir "$place"
exec "$@"
"""
_SHELL = ["sh", "-c", PASSABLE, "passable", sys.base_prefix, str(TOP)]
IN_NAMESPACE = ["unshare", "--mount", "--fork", "--kill-child", *_SHELL]
_BE = ["setpriv", "--clear-groups", "--inh-caps=-all"]
AS_NOBODY = [*IN_NAMESPACE, *_BE, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--"]
AS_DAEMON = [*IN_NAMESPACE, *_BE, f"--reuid={DAEMON}", f"--regid={DAEMON}", "--"]

# The machine's /usr/sbin and /etc with what is ours above them, for this process and its children alone.
NAMESPACE = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/t/sbin /run/t/sbin.work /run/t/etc/cron.d /run/t/etc/pam.d /run/t/etc.work
printf '#!/bin/sh\\nexec {sendmail} -C {config} "$@"\\n' >/run/t/sbin/sendmail
chmod 755 /run/t/sbin/sendmail
mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=/run/t/sbin,workdir=/run/t/sbin.work /usr/sbin
cp {cron}/etc/pam.d/cron /run/t/etc/pam.d/
: >/run/t/etc/crontab
cp {jobs} /run/t/etc/cron.d/jobs
chmod 644 /run/t/etc/cron.d/jobs
mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/t/etc,workdir=/run/t/etc.work /etc
mount -t tmpfs tmpfs /var/spool
mkdir -p /var/spool/cron/crontabs
exec {cron}/usr/sbin/cron -f
"""


def unpacked(name: str, program: str) -> pathlib.Path:
    """A program under .tools."""
    found = TOP / ".tools" / name / program
    if not found.exists():
        pytest.skip(f"{found} is not there: run make test-tools")
    return found


def as_root() -> None:
    if os.geteuid() != 0 or subprocess.run([*AS_NOBODY, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs to be root with mount namespaces, to be somebody else")


def environment(config: pathlib.Path, **more: str) -> dict[str, str]:
    path = os.pathsep.join([str(BIN), os.environ["PATH"]])
    return os.environ | {"ASYNCMTA_CONFIG": str(config), "PATH": path} | more


def run(
    command: list[str], config: pathlib.Path, *, stdin: bytes = b"", user: list[str] | None = None, **more: str
) -> subprocess.CompletedProcess[bytes]:
    """To its end, in a folder where everybody may be."""
    return subprocess.run(
        [*(user or []), *command],
        input=stdin,
        env=environment(config, **more),
        cwd=config.parent,
        capture_output=True,
        timeout=60,
        check=False,
    )


def succeeded(ended: subprocess.CompletedProcess[bytes]) -> None:
    assert ended.returncode == 0, (ended.stdout + ended.stderr).decode(errors="replace")[-2000:]


class Cron:
    """The daemon, in a namespace; its `jobs` are lines of /etc/cron.d."""

    def __init__(self, config: pathlib.Path, jobs: str) -> None:
        as_root()
        unpacked("cron", "usr/sbin/cron")
        listed = config.parent / "jobs"
        listed.write_text(jobs)
        script = config.parent / "cron.sh"
        script.write_text(NAMESPACE.format(sendmail=SENDMAIL, config=config, cron=TOP / ".tools" / "cron", jobs=listed))
        self._command = [*IN_NAMESPACE, "sh", str(script)]

    def __enter__(self) -> Cron:
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def may_run(self) -> None:
        """Skips where there may be no namespaces or overlays."""
        if self.process.poll() is not None:
            out, _ = self.process.communicate()
            pytest.skip(f"cron does not run here: {out.decode(errors='replace')[-300:]}")
