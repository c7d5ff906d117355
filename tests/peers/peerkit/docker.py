"""`docker` for a scene, where no daemon is: build, run, exec, logs, stop, start, kill.

What it does is what image.py and container.py do: the Dockerfile's steps in a Debian, then a process in namespaces,
as a uid of nobody's (group 0) where no --user is said, with --read-only and --cap-drop ALL whether or not they are
said. Containers are kept in /run/docker-stand-in from call to call. An option that it does not know ends with 125.
"""

from __future__ import annotations

import json
import os
import pathlib
import random
import signal
import sys
import time
from types import SimpleNamespace

from peerkit.container import Container
from peerkit.image import Image

STATE = pathlib.Path("/run/docker-stand-in")
FLAGS = ("-d", "--detach", "--rm", "--read-only", "--init", "-i", "-t", "-it")
VALUES = (
    "-e",
    "--env",
    "-v",
    "--volume",
    "-p",
    "--publish",
    "--name",
    "--cap-drop",
    "--security-opt",
    "--user",
    "--stop-timeout",
)


def wrong(text: str) -> int:
    print(f"docker (stand-in): {text}", file=sys.stderr)
    return 125


class Kept(Container):
    """A container that this call did not start."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder = STATE / name
        self.facts = json.loads((self.folder / "facts").read_text())
        self.image = Image()
        self.uid = self.facts["uid"]
        self.volume = pathlib.Path(self.facts["volume"])
        self.log = self.folder / "log"
        self._on_tmpfs = False
        self._mount_point = self.folder / "root"
        self._environment = self.image.stage.environment | self.facts["environment"]
        self._process = SimpleNamespace(pid=self.facts["pid"], poll=lambda: None)  # type: ignore[assignment]

    def _mounting(self, where: str) -> str:
        """The volume, and files of the host below /run, which is a tmpfs meanwhile."""
        root = str(self._mount_point)
        steps = [super()._mounting(where)]
        steps += [f"mount --bind {file} {root}{file}" for file in ("/etc/resolv.conf", "/etc/hosts")]
        if self.facts["binds"]:
            steps.append(f"mount -t tmpfs -o mode=0755 tmpfs {root}/run")
        for source, target in self.facts["binds"]:
            steps.append(f"mkdir -p {root}{pathlib.PurePosixPath(target).parent}; touch {root}{target}")
            steps.append(f"mount --bind {source} {root}{target}")
        return "; ".join(steps)

    def begin(self) -> None:
        self.start()
        self.facts["pid"] = self._process.pid  # type: ignore[union-attr]
        (self.folder / "facts").write_text(json.dumps(self.facts))


def options(words: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """What stands before the first word that is no option, and the rest."""
    found: dict[str, list[str]] = {}
    while words and words[0].startswith("-"):
        name, equals, value = words.pop(0).partition("=")
        if name in FLAGS:
            found.setdefault(name, [])
        elif name in VALUES:
            found.setdefault(name, []).append(value if equals else words.pop(0))
        else:
            raise SystemExit(wrong(f"{name}: not known here"))
    return found, words


def both(found: dict[str, list[str]], short: str, long: str) -> list[str]:
    return found.get(short, []) + found.get(long, [])


def run(words: list[str]) -> int:
    found, rest = options(words)
    (tag,) = rest
    if not (STATE / "images" / tag).exists():
        return wrong(f"Unable to find image '{tag}:latest' locally")
    name = (found.get("--name") or [f"container{os.getpid()}"])[0]
    folder = STATE / name
    if folder.exists():
        return wrong(f'the container name "/{name}" is already in use')
    (folder / "root").mkdir(parents=True)
    volume, binds = folder / "volume", []
    for each in both(found, "-v", "--volume"):
        source, target, *_ = each.split(":")
        if target == "/var/spool/asyncmta":
            volume = pathlib.Path(source) if "/" in source else STATE / "volumes" / source
        else:
            assert target.startswith("/run/"), f"-v {each}: only the volume, and files below /run"
            assert pathlib.Path(source).is_file(), f"-v {each}: no such file"
            binds.append((str(pathlib.Path(source).resolve()), target))
    for each in both(found, "-p", "--publish"):
        *_, outside, inside = each.split(":")
        assert outside == inside, f"-p {each}: ports are the same inside and outside here"
    image = Image()
    if not volume.exists():  # as a runtime fills a new one: with owner and mode of the directory in the image
        volume.mkdir(parents=True)
        facts = (image.root / "var/spool/asyncmta").stat()
        os.chown(volume, facts.st_uid, facts.st_gid)
        volume.chmod(facts.st_mode & 0o7777)
    user = found.get("--user", [str(random.SystemRandom().randrange(1_000_000_000, 1_000_900_000))])[0]
    environment = dict(each.split("=", 1) for each in both(found, "-e", "--env"))
    facts = {
        "uid": int(user.split(":")[0]),
        "volume": str(volume),
        "binds": binds,
        "environment": environment,
        "pid": 0,
    }
    (folder / "facts").write_text(json.dumps(facts))
    Kept(name).begin()
    print(f"{random.getrandbits(256):064x}")
    return 0


def gone(container: Kept, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while pathlib.Path(f"/proc/{container.facts['pid']}/exe").exists() and time.monotonic() < end:
        time.sleep(0.05)
    return not pathlib.Path(f"/proc/{container.facts['pid']}/exe").exists()


def end(name: str, number: signal.Signals) -> int:
    container = Kept(name)
    os.kill(container.pid, number)
    print(name)
    return 0 if gone(container, 60) else wrong(f"{name} does not end")


def main(words: list[str]) -> int:  # one small command a branch
    command = words.pop(0)
    if command == "build":
        assert [words[0], *words[2:]] == ["-t", "."], words
        Image()
        (STATE / "images" / words[1]).mkdir(parents=True, exist_ok=True)
        return 0
    if command == "run":
        return run(words)
    if command == "exec":
        _, rest = options(words)
        typed = b"" if sys.stdin.isatty() else sys.stdin.buffer.read()
        try:
            done = Kept(rest[0]).run(*rest[1:], stdin=typed)
        except (OSError, IndexError):
            return wrong(f"container {rest[0]} is not running")
        sys.stdout.buffer.write(done.stdout)
        sys.stderr.buffer.write(done.stderr)
        return done.returncode
    if command == "logs":
        sys.stdout.write((STATE / words[0] / "log").read_text())
        return 0
    if command in ("stop", "kill"):
        return end(words[-1], signal.SIGTERM if command == "stop" else signal.SIGKILL)
    if command == "start":
        Kept(words[0]).begin()
        print(words[0])
        return 0
    return wrong(f"{command}: not known here")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
