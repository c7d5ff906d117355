"""Exim, OpenSMTPD and Haraka, equally configured, in the modes of `servers.py`; and which of all MTAs can run here.

Exim and OpenSMTPD are those that `make test-tools` unpacks under .tools, Haraka is what `make bench-peers` gets there.
Each keeps its durable defaults and gets the concurrency that an operator would give it. OpenSMTPD syncs nothing before
its 250 (strace shows none), so its figures are not comparable: `syncs` says so, and the tables mark it.
"""

from __future__ import annotations

import os
import pathlib
import shutil

from benchmarks import tools
from benchmarks.servers import NOBODY, USERS, Asyncmta, Postfix, Server, private

EXIM = pathlib.Path(os.environ.get("EXIM_TOOLS") or tools.TOP / ".tools" / "exim").resolve() / "usr" / "sbin" / "exim4"
OPENSMTPD = pathlib.Path(os.environ.get("OPENSMTPD_TOOLS") or tools.TOP / ".tools" / "opensmtpd").resolve() / "usr"
HARAKA = (
    pathlib.Path(os.environ.get("HARAKA_TOOLS") or tools.TOP / ".tools" / "haraka").resolve()
    / "node_modules"
    / "Haraka"
)

BOXES = [f"d{number}.test" for number in range(USERS)]

EXIM_ID = 64010
EXIM_USER, EXIM_GROUP = "Debian-exim:x:64010:64010::/:/bin/false\n", "Debian-exim:x:64010:\n"
EXIM_MAIN = """\
primary_hostname = mta.bench.test
exim_path = {program}
spool_directory = {root}/spool
log_file_path = {root}/log/%slog
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
disable_ipv6 = true
keep_environment =
tls_advertise_hosts =
acl_smtp_rcpt = accept
acl_smtp_data = accept
deliver_drop_privilege = true
never_users = root
smtp_accept_max = 200
smtp_accept_queue_per_connection = 0
smtp_accept_max_per_connection = 0
smtp_connect_backlog = 200
queue_run_max = 5
split_spool_directory = true
remote_max_parallel = 10
queue_only = {is_held}
"""
EXIM_ROUTERS = {
    "relay": 'hop:\n  driver = manualroute\n  route_list = * "127.0.0.1"\n  self = send\n  transport = out\n',
    "mx": "mx:\n  driver = dnslookup\n  self = send\n  transport = out\n",
    "local": "box:\n  driver = accept\n  domains = {domains}\n  transport = maildir\n",
}
EXIM_REST = """
begin transports
out:
  driver = smtp
  port = {next_port}
  hosts_avoid_tls = *
  allow_localhost
maildir:
  driver = appendfile
  maildir_format
  directory = {root}/mail/$domain_data/u
  create_directory

begin retry
* * F,2h,15m; G,16h,1h,1.5; F,4d,6h
"""

OPENSMTPD_USERS = (
    "opensmtpd:x:64011:64011::{root}/data/empty:/bin/false\nopensmtpq:x:64012:64012::{root}/data/empty:/bin/false\n"
)
OPENSMTPD_GROUPS = "opensmtpd:x:64011:\nopensmtpq:x:64012:\n"
# Its defaults are at most 5 connections to a route, and one more every 5 seconds.
OPENSMTPD_MAIN = """\
smtp limit max-mails 1000000
mta limit max-conn-per-host 50
mta limit max-conn-per-route 50
mta limit conn-delay-route 0
mta limit reconn-delay-route 0
listen on 127.0.0.1 port {port} hostname mta.bench.test
"""
OPENSMTPD_MODES = {
    "relay": 'action "out" relay host smtp+notls://127.0.0.1:{next_port}\nmatch from any for any action "out"\n',
    "mx": 'action "out" relay\nmatch from any for any action "out"\n',
    "local": (
        'table boxes {{ "@" = "nobody" }}\n'
        'action "box" maildir "{root}/mail/%{{dest.domain}}/%{{dest.user}}" virtual <boxes> user nobody\n'
        'match from any for any action "box"\n'
    ),
}

HARAKA_FILES = {
    "me": "mta.bench.test\n",
    "log.ini": "[main]\nlevel=NOTICE\ntimestamps=true\n",
    "queue_dir": "{root}/spool\n",
    "smtp.ini": "listen=127.0.0.1:{port}\n",
    "outbound.ini": "enable_tls=false\nlocal_mx_ok=true\n{held}",
    "plugins": "bench_relay\n",
}
HARAKA_PLUGIN = """\
exports.register = function () {{
    this.register_hook('connect', 'allow');
    this.register_hook('rcpt', 'rcpt');
    {hop}this.register_hook('get_mx', 'hop');
}};
exports.allow = (next, connection) => {{ connection.relaying = true; next(); }};
exports.rcpt = (next) => next(OK);
exports.hop = (next) => next(OK, {{ priority: 0, exchange: '127.0.0.1', port: {next_port} }});
"""


def _lacking(program: pathlib.Path, target: str) -> str:
    if os.geteuid() != 0:
        return "only root can give a server its own places"
    return "" if program.exists() else f"{program} is not there: run make {target}"


class Exim(Server):
    """A delivery process for each message at once, as is its default. It delivers as the user that it receives as, as
    its program is not setuid here."""

    name = "Exim"

    @staticmethod
    def missing() -> str:
        return _lacking(EXIM, "test-tools")

    def _prepare(self) -> list[str]:
        router = EXIM_ROUTERS.get(self.mode, EXIM_ROUTERS["relay"])
        is_held = "true" if self.mode == "accept" else "false"
        router = router.replace("{domains}", " : ".join(BOXES))
        words = {"program": EXIM, "is_held": is_held}
        config = self._write("exim4.conf", f"{EXIM_MAIN}\nbegin routers\n{router}{EXIM_REST}", **words)
        config.chmod(0o640)
        os.chown(config, 0, EXIM_ID)
        for name in ("spool", "log", "mail"):
            os.chown(self.root / name, EXIM_ID, EXIM_ID)
        mounts = self._names() | {"/etc/exim4": self.root / "conf"}
        return [*private(self.root, mounts, EXIM_USER, EXIM_GROUP), str(EXIM), "-bdf", "-q30m"]

    def kick(self) -> list[str]:
        """A few runners of the queue at once, as an operator would."""
        return self.inside("sh", "-c", f"for i in 1 2 3 4; do {EXIM} -qff & sleep 0.2; done")


class OpenSmtpd(Server):
    name = "OpenSMTPD"
    syncs = False

    @staticmethod
    def missing() -> str:
        return _lacking(OPENSMTPD / "sbin" / "smtpd", "test-tools")

    def _prepare(self) -> list[str]:
        spool, empty, run = self.root / "spool", self.root / "data" / "empty", self.root / "data" / "run"
        empty.mkdir()
        run.mkdir()
        spool.chmod(0o711)
        for name in ("queue", "corrupt", "incoming", "purge", "temporary", "offline"):
            (spool / name).mkdir()
            os.chown(spool / name, *((0, 64012) if name == "offline" else (64012, 0)))
            (spool / name).chmod(0o770 if name == "offline" else 0o700)
        shutil.chown(self.root / "mail", NOBODY, NOBODY)
        config = self._write("smtpd.conf", OPENSMTPD_MAIN + OPENSMTPD_MODES.get(self.mode, OPENSMTPD_MODES["relay"]))
        mounts = {
            "/var/spool/smtpd": spool,
            "/usr/libexec/opensmtpd": OPENSMTPD / "libexec" / "opensmtpd",
            "/var/lib/opensmtpd/empty": empty,
            "/run": run,
        }
        before = private(self.root, self._names() | mounts, OPENSMTPD_USERS.format(root=self.root), OPENSMTPD_GROUPS)
        serve = f"{OPENSMTPD}/sbin/smtpd -d -f {config}"
        if self.mode != "accept":
            return [*before, "sh", "-c", f"exec {serve}"]
        pause = f"until {OPENSMTPD}/sbin/smtpctl pause mta; do sleep 0.05; done"
        return [*before, "sh", "-c", f"{serve} & {pause}; wait"]

    def kick(self) -> list[str]:
        return self.inside(f"{OPENSMTPD}/sbin/smtpctl", "schedule", "all")


class Haraka(Server):
    name = "Haraka"

    @staticmethod
    def missing() -> str:
        if shutil.which("node") is None:
            return "node is not there"
        return _lacking(HARAKA / "bin" / "haraka", "bench-peers")

    def _prepare(self) -> list[str]:
        home = self.root / "data"
        shutil.copytree(HARAKA / "config", home / "config")
        (home / "plugins").mkdir()
        held = "disabled=true\n" if self.mode == "accept" else ""
        for name, template in HARAKA_FILES.items():
            text = self._write(name, template, held=held).read_text()
            (home / "config" / name).write_text(text)
        plugin = self._write("bench_relay.js", HARAKA_PLUGIN, hop="//" if self.mode == "mx" else "")
        shutil.copy(plugin, home / "plugins")
        return [*private(self.root, self._names()), "node", str(HARAKA / "bin" / "haraka"), "-c", str(home)]


KINDS: dict[str, type[Server]] = {kind.name.lower(): kind for kind in (Asyncmta, Postfix, Exim, OpenSmtpd, Haraka)}
CANNOT = {("Haraka", "local"): "it has no local delivery"}


def chosen(wanted: list[str] | None) -> list[type[Server]]:
    """Those that were asked for (all, without a word) and can run here; what is missing is said."""
    found = []
    for name in wanted or KINDS:
        if reason := KINDS[name].missing():
            print(f"without {KINDS[name].name}: {reason}", flush=True)
        else:
            found.append(KINDS[name])
    return found
