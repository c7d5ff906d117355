"""A machine to try a page on: this one's files with what is written kept apart, its own network, an Internet, a shell.

By namespaces and an overlay, so that commands are what a reader would type: ports and paths as they stand there, as
root, and nothing of it reaches the machine that runs the tests. The Internet (`provider.py` and dnsmasq) is one
machine with every name. The shell keeps its variables and its folder, and its output goes to a terminal.
"""

from __future__ import annotations

import base64
import fcntl
import os
import pathlib
import pty
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time

import pyte
import pytest

from peerkit.programs import TOP, program

INTERNET = "44.128.0.25"
SHUT = "44.128.0.26"  # nobody listens there: down.example
NAMES = " ".join(f"--address=/{top}/{INTERNET} --local=/{top}/" for top in ("example", "net", "org", "com", "arpa"))
SHARED = "/run/scene"
WIDTH = 140
FOLDER = "/srv/relay"
BIN = pathlib.Path(sys.executable).parent
TOKEN = "the-token-of-this-page"
FIRST_SCRIPT = f"""
set -e
mkdir $S/upper $S/work $S/root $S/shared
mount -t overlay overlay -o lowerdir=/,upperdir=$S/upper,workdir=$S/work $S/root
cd $S/root
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir -p .{SHARED}/bin .{FOLDER} etc/asyncmta run/secrets opt
mount --bind $S/shared .{SHARED}
mkdir -p .{SHARED}/bin
rm -rf opt/asyncmta .{TOP}/var
ln -s {BIN.parent} opt/asyncmta
printf 'nameserver {INTERNET}\\noptions timeout:1 attempts:1\\n' > etc/resolv.conf
printf '127.0.0.1 localhost\\n127.0.1.1 mail.example.org mail mta\\n' > etc/hosts
hostname mta

ip link set lo up
echo 0 > proc/sys/net/ipv4/ip_unprivileged_port_start  # as Docker has it in its containers
unshare --net sleep infinity &
far=$!
same() {{ [ "$(readlink /proc/$far/ns/net)" = "$(readlink /proc/self/ns/net)" ]; }}
for _ in $(seq 100); do same || break; sleep 0.02; done
away() {{ nsenter --target $far --net "$@"; }}
ip link add near type veth peer name far
ip link set far netns $far
ip addr add 44.128.0.1/24 dev near
ip link set near up
ip route add default via {INTERNET}
away ip link set lo up
away ip addr add {INTERNET}/24 dev far
away ip addr add {SHUT}/24 dev far
away ip link set far up
away dnsmasq --conf-file=/dev/null --no-resolv --no-hosts --no-poll --pid-file= --user=root --bind-interfaces \\
  --listen-address={INTERNET} {NAMES} --address=/down.example/{SHUT} --local=/nowhere.example/ \\
  --log-facility=$S/shared/dns.log
away env PYTHONPATH={TOP}/tests/peers:{TOP} {sys.executable} -m peerkit.provider $S/shared {INTERNET} \\
  > $S/shared/provider.log 2>&1 &
for _ in $(seq 500); do [ -e $S/shared/ready ] && break; sleep 0.02; done
[ -e $S/shared/ready ] || {{ cat $S/shared/provider.log; exit 1; }}
cp $S/shared/ca.pem etc/provider-ca.pem
"""
SHELL = ("bash", "--noprofile", "--norc", "-c", f"cd {FOLDER}; exec bash --noprofile --norc")
VARIABLES = {
    "PATH": f"{SHARED}/bin:{BIN}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "xterm",
    "NO_COLOR": "1",
    "COLUMNS": str(WIDTH),
    "TOKEN": TOKEN,
    "SSL_CERT_FILE": "/etc/provider-ca.pem",
    "PYTHONPATH": "",
    "SCENE": SHARED,  # what the Internet took is in $SCENE/taken
    "CHECKOUT": str(TOP),
}


def shown(text: str) -> str:
    """What stands on the terminal in the end: progress bars have been there and are gone."""
    if "\x1b" not in text and "\r" not in text:
        return text
    screen = pyte.Screen(WIDTH, text.count("\n") + 50)
    pyte.Stream(screen).feed(text.replace("\r\n", "\n").replace("\n", "\r\n"))
    return "\n".join(line.rstrip() for line in screen.display).rstrip() + "\n"


class Ended(AssertionError):
    """The shell of the scene is gone."""


class Scene:
    """One machine with one shell in it."""

    def __init__(self, folder: pathlib.Path) -> None:
        if os.geteuid() != 0:
            pytest.skip("not root: no namespaces")
        for name in ("unshare", "nsenter", "ip", "dnsmasq", "swaks", "curl"):
            program(name)
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self.said = folder / "said"
        master, slave = pty.openpty()
        attributes = termios.tcgetattr(slave)
        attributes[1] &= ~termios.OPOST  # no CR before LF
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, WIDTH, 0, 0))
        done_out, done_in = os.pipe()
        inner = shlex.join(["env", "-i", *(f"{key}={value}" for key, value in VARIABLES.items()), *SHELL])
        script = f"mount -t tmpfs tmpfs {folder}; S={folder}; {FIRST_SCRIPT}\nexec chroot $S/root {inner}"
        apart = ["--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child=SIGKILL", "--mount-proc"]
        self._log = folder.parent / f"{folder.name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["unshare", *apart, "sh", "-ec", script],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(slave, done_in),
                cwd="/",
                start_new_session=True,
            )
        self._terminal, self._slave, self._done, self._done_in = master, slave, done_out, done_in
        os.close(done_in)
        try:
            self.run("true", timeout=60)
        except BaseException:
            self.__exit__()
            raise

    def run(self, command: str, *, stdin: str = "", piped: bool = False, timeout: float = 60) -> tuple[int, str]:
        """One command to its end: the exit code, and what stood on the terminal (or came through the pipe)."""
        assert self._process.stdin is not None
        packed = base64.b64encode(command.encode()).decode()
        typed = base64.b64encode(stdin.encode()).decode()
        source = f"<(echo {typed} | base64 -d)" if stdin else "/dev/null"
        out = f">{SHARED}/out" if piped else f">&{self._slave}"
        shown = f"cat {SHARED}/out >&{self._slave}; " if piped else ""
        line = (
            f'exec 250< {source}; eval "$(echo {packed} | base64 -d)" <&250 1{out} 2>&1; code=$?; {shown}'
            f"printf '%s\\n' $code >&{self._done_in}\n"
        )
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Ended(self._log.read_text(errors="replace")[-3000:]) from None
        return self._await(command, timeout)

    def _await(self, command: str, timeout: float) -> tuple[int, str]:
        text, code, end = b"", b"", time.monotonic() + timeout
        while not code.endswith(b"\n"):
            ready, _, _ = select.select([self._terminal, self._done], [], [], 0.5)
            if self._terminal in ready:
                text += os.read(self._terminal, 65536)
            if self._done in ready:
                code += os.read(self._done, 100)
            if not ready and self._process.poll() is not None:
                raise Ended(self._log.read_text(errors="replace")[-3000:])
            if time.monotonic() > end:
                said = shown(text.decode(errors="replace"))[-2000:]
                raise AssertionError(f"{command!r} takes longer than {timeout} s; so far:\n{said}")
        while select.select([self._terminal], [], [], 0.02)[0]:
            text += os.read(self._terminal, 65536)
        return int(code.strip()), shown(text.decode(errors="replace"))

    def write(self, path: str, text: str) -> None:
        """A file in the scene."""
        packed = base64.b64encode(text.encode()).decode()
        (folder, _, _) = path.rpartition("/")
        code, said = self.run(f"mkdir -p '{folder or '.'}' && echo {packed} | base64 -d > '{path}'")
        assert code == 0, said

    def read(self, path: str) -> str:
        return self.run(f"cat '{path}' 2>/dev/null", piped=True)[1]

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        assert self._process.stdin is not None
        self._process.stdin.close()
        for each in (self._terminal, self._slave, self._done):
            os.close(each)
