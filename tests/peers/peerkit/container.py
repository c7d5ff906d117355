"""A container without Docker: an image's files read-only, one volume, a uid of nobody's, no capability, its own pids.

What a container runtime does with `--read-only --cap-drop ALL --security-opt no-new-privileges --user UID:0 -v VOLUME`,
by unshare, mount and setpriv. The network is the machine's, so that ports need no publishing.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shlex
import signal
import subprocess
import time

from peerkit.image import Image

DEVICES = ("null", "zero", "full", "random", "urandom")
VOLUME = "/var/spool/asyncmta"


class Container:
    """One container that can be killed, stopped, and started again over the same volume."""

    def __init__(
        self, image: Image, folder: pathlib.Path, uid: int, environment: dict[str, str], *, on_tmpfs: bool = False
    ) -> None:
        """`on_tmpfs`: a tmpfs in place of the volume."""
        self.image = image
        self._on_tmpfs = on_tmpfs
        self.uid = uid
        self.volume = folder / "volume"
        self.log = folder / "log"
        self._mount_point = folder / "root"
        self._environment = image.stage.environment | environment
        self._process: subprocess.Popen[bytes] | None = None
        for each in (self.volume, self._mount_point):
            each.mkdir()
        # as a runtime fills a new volume: with the owner and the mode that the directory has in the image
        facts = (image.root / VOLUME.lstrip("/")).stat()
        os.chown(self.volume, facts.st_uid, facts.st_gid)
        self.volume.chmod(facts.st_mode & 0o7777)

    def start(self) -> Container:
        words = self.image.exec_form("ENTRYPOINT") + self.image.exec_form("CMD")
        root = self._mount_point
        devices = "".join(f"touch {root}/dev/{name}; mount --bind /dev/{name} {root}/dev/{name}; " for name in DEVICES)
        script = (
            f"mount --bind {self.image.root} {root}; mount -o remount,bind,ro {root}; "
            f"{self._mounting(f'{root}{VOLUME}')}; mount -t proc proc {root}/proc; "
            f"mount -t tmpfs tmpfs {root}/dev; {devices} exec chroot {root} {shlex.join(self._as_nobody(words))}"
        )
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "sh", "-ec", script],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
            )
        return self

    def _mounting(self, where: str) -> str:
        kind = "-t tmpfs -o mode=0770,uid=10025,gid=0 tmpfs" if self._on_tmpfs else f"--bind {self.volume}"
        return f"mount {kind} {where}"

    def _as_nobody(self, words: list[str]) -> list[str]:
        user = [f"--reuid={self.uid}", "--regid=0", "--clear-groups"]
        rights = ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--ambient-caps=-all"]
        variables = [f"{key}={value}" for key, value in self._environment.items()]
        folder = f"--chdir={self.image.stage.folder}"
        return ["setpriv", *user, *rights, "env", "-i", *variables, "env", folder, *words]

    def run(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """As `docker exec`."""
        inside = [
            "nsenter",
            f"--target={self.pid}",
            "--mount",
            "--pid",
            "--root",
            "--wd",
            *self._as_nobody(list(words)),
        ]
        return subprocess.run(inside, input=stdin, capture_output=True, timeout=60, check=False)

    @property
    def pid(self) -> int:
        """Of the process that is number 1 inside."""
        assert self._process is not None
        text = pathlib.Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return int(text.split()[0])

    def status(self) -> dict[str, str]:
        """What the kernel says of that process."""
        lines = pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}

    def mounts(self) -> dict[str, set[str]]:
        """What is mounted inside, with its options."""
        lines = pathlib.Path(f"/proc/{self.pid}/mountinfo").read_text().splitlines()
        return {fields[4]: set(fields[5].split(",")) for fields in (line.split() for line in lines)}

    def await_health(self, timeout: float = 30) -> None:
        """Until the HEALTHCHECK of the image is content."""
        assert self._process is not None
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            assert self._process.poll() is None, f"ended with {self._process.returncode}:\n{self.text()}"
            with contextlib.suppress(IndexError):
                if self.run(*self.image.exec_form("HEALTHCHECK")).returncode == 0:
                    return
            time.sleep(0.1)
        raise AssertionError(f"not healthy:\n{self.text()}")

    def text(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]

    def kill(self) -> None:
        """kill -9, now."""
        assert self._process is not None
        with contextlib.suppress(IndexError, OSError):
            os.kill(self.pid, signal.SIGKILL)
        self._process.wait(10)

    def stop(self) -> int:
        """As `docker stop`: STOPSIGNAL to number 1; the exit code."""
        assert self._process is not None
        os.kill(self.pid, signal.Signals[self.image.stage.marks["STOPSIGNAL"]])
        return self._process.wait(30)

    def end(self) -> int:
        """Wait for it to end by itself; the exit code."""
        assert self._process is not None
        return self._process.wait(30)

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
