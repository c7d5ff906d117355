"""The Dockerfile, executed without Docker: its steps in a Debian made by mmdebstrap, as layers that are kept.

Docker is not there where these tests run, and neither is python:3.11-slim: the base is a Debian with its own Python
3.11 and its headers (`BASE`, made by .ci/test-tools), and everything else is what the Dockerfile says, by the
line. Layers are kept under .tools/container by what they were made of, so that a step runs anew only when it, or what
it copies, has changed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
from fnmatch import fnmatch

from peerkit.programs import TOP

PLACE = TOP / ".tools" / "container"
BASE = PLACE / "base"
LAYERS = PLACE / "layers"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOST_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt")
BUILD_ARGUMENTS = ("PIP_CERT", "PIP_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT", "http_proxy", "https_proxy")
MARKS = ("CMD", "ENTRYPOINT", "EXPOSE", "HEALTHCHECK", "LABEL", "STOPSIGNAL", "USER", "VOLUME")


def instructions(text: str) -> list[tuple[str, str]]:
    """The lines of a Dockerfile: joined, without comments."""
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    lines = re.sub(r"\\\n", " ", kept).splitlines()
    return [(name.upper(), rest.strip()) for name, _, rest in (line.partition(" ") for line in lines if line.strip())]


def ignored(path: pathlib.Path) -> bool:
    """By .dockerignore, of which this project's says: nothing but those named, and of them not what `**/` says."""
    lines = (TOP / ".dockerignore").read_text().split()
    relative = path.relative_to(TOP)
    if f"!{relative.parts[0]}" not in lines:
        return True
    unwanted = [line.removeprefix("**/") for line in lines if line.startswith("**/")]
    return any(fnmatch(part, pattern) for part in relative.parts for pattern in unwanted)


def files(source: str) -> list[pathlib.Path]:
    """What COPY takes of the context."""
    path = TOP / source
    found = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    kept = [each for each in found if not ignored(each)]
    assert kept, f"COPY {source}: nothing there, or .dockerignore keeps it out"
    return kept


class Stage:
    """One FROM and what follows it; `root` is where its files are when it is done."""

    def __init__(self, steps: list[tuple[str, str]], stages: dict[str, Stage]) -> None:
        self.environment = {"PATH": PATH}
        self.folder = "/"
        self.marks: dict[str, str] = {}
        self._stages = stages
        self._key = hashlib.sha256((BASE / "asyncmta-base").read_bytes()).hexdigest()
        self._last = BASE
        self._copies: list[tuple[str, str]] = []
        self.used: set[str] = set()
        for step in steps:
            self._take(*step)
        assert not self._copies, "a stage whose last step is a COPY has no layer here"
        self.root = self._last

    @staticmethod
    def _layer(key: str) -> pathlib.Path:
        return LAYERS / key[:24]

    def _take(self, name: str, rest: str) -> None:
        if name == "ENV":
            for word in shlex.split(rest):
                key, _, value = word.partition("=")
                self.environment[key] = value.replace("$PATH", self.environment["PATH"])
        elif name == "WORKDIR":
            self.folder = rest
        elif name in MARKS:
            self.marks[name] = rest
        else:
            assert name in ("COPY", "RUN"), f"{name}: not understood here"
            self._change(name, rest)

    def _change(self, name: str, rest: str) -> None:
        """A step that changes files. With each RUN there is a layer: it is there, or is made of the one before."""
        facts = [self._key, self.folder, self.environment, name, rest, self._copied(rest) if name == "COPY" else []]
        self._key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
        if name == "COPY":
            self._copies.append((self.folder, rest))
            return
        layer = self._layer(self._key)
        if not layer.exists():
            work = LAYERS / f"work-{layer.name}"
            subprocess.run(["cp", "-a", self._last, work], check=True)
            for folder, copied in self._copies:
                self._copy(work, folder, copied)
            self._run(work, rest)
            work.rename(layer)
        self.used.add(layer.name)
        self._last, self._copies = layer, []

    def _copied(self, rest: str) -> list[str]:
        """What makes a COPY another one: the content of what it copies."""
        words = rest.split()
        if words[0].startswith("--from="):
            return [self._stages[words[0].removeprefix("--from=")].root.name]
        found = [file for source in words[:-1] for file in files(source)]
        return [f"{file.relative_to(TOP)} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in found]

    def _copy(self, root: pathlib.Path, folder: str, rest: str) -> None:
        *sources, target = rest.split()
        there = root / str(pathlib.PurePosixPath(folder, target)).lstrip("/")
        if sources[0].startswith("--from="):
            origin = self._stages[sources[0].removeprefix("--from=")].root
            there.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-a", f"{origin}/{sources[1].lstrip('/')}", there], check=True)
            return
        for source in sources:
            for file in files(source):
                to = there / (file.name if (TOP / source).is_file() else file.relative_to(TOP / source))
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, to)

    def _run(self, root: pathlib.Path, command: str) -> None:
        """As root, with the host's network, as `docker build` does it."""
        (root / self.folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
        binds = "".join(
            f"mkdir -p {root}{os.path.dirname(file)}; touch {root}{file}; mount --bind {file} {root}{file}; "
            for file in HOST_FILES
        )
        given = {name: os.environ[name] for name in BUILD_ARGUMENTS if name in os.environ}
        variables = [f"{key}={value}" for key, value in (self.environment | given).items()]
        inner = shlex.join(
            ["chroot", str(root), "/usr/bin/env", "-i", *variables, "/bin/sh", "-c", f"cd {self.folder} && {command}"]
        )
        mounts = f"mount --bind /dev {root}/dev; mount -t proc proc {root}/proc; {binds}"
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "sh", "-ec", f"{mounts} exec {inner}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"RUN {command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


class Image:
    """What `docker build` would have made of this tree. Of several processes one makes it, and the others wait."""

    def __init__(self) -> None:
        LAYERS.mkdir(parents=True, exist_ok=True)
        with open(PLACE / "lock", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._make()

    def _make(self) -> None:
        for left in LAYERS.glob("work-*"):
            shutil.rmtree(left)
        stages: dict[str, Stage] = {}
        steps = instructions((TOP / "Dockerfile").read_text())
        starts = [at for at, (name, _) in enumerate(steps) if name == "FROM"]
        used: set[str] = set()
        for start, end in zip(starts, [*starts[1:], len(steps)], strict=True):
            self.base, _, label = steps[start][1].partition(" AS ")
            stage = stages[label] = Stage(steps[start + 1 : end], stages)
            used |= stage.used
        self.stage = stages[""]
        self.root = self.stage.root
        for layer in LAYERS.iterdir():
            if layer.name not in used:  # no step of this Dockerfile leads to it any more
                shutil.rmtree(layer)

    def exec_form(self, name: str) -> list[str]:
        """The words of ENTRYPOINT, CMD, and HEALTHCHECK's CMD."""
        return list(json.loads(re.sub(r".*?(?=\[)", "", self.stage.marks[name], count=1)))
