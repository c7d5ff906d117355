"""Compiles asyncmta/system/_appending.c when hatchling makes a wheel or an installation of this tree in place.

One call of the C compiler that is there ($CC, else the one Python was made with, else cc). Promises: what is packed or
left in the tree was compiled from the C file as it is now; a wheel with it says so in its tag (one for each Python from
3.11 on, of this system and processor). Never fails an installation for want of C: without a compiler or Python.h, on
another system than Linux, with ASYNCMTA_PURE=1, or when the compiler refuses, it says so in a line and the wheel is of
Python alone. docs/decisions.md, "The build".
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from contextlib import suppress
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags

SOURCE = "asyncmta/system/_appending.c"
OBJECT = "asyncmta/system/_appending.abi3.so"
FLAGS = ("-O2", "-Wall", "-Wextra", "-fPIC", "-shared", "-pthread")
LAST_LINES = 10  # of a compiler that refuses
PATIENCE = 300.0  # seconds; it needs one


class Refused(Exception):
    """Nothing is compiled; why not."""


class Compile(BuildHookInterface):  # type: ignore[type-arg]
    """hatchling calls `initialize` before each wheel and `finalize` after it; version "editable": the tree in place."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="asyncmta-build-")
        made = Path(self._folder.name, Path(OBJECT).name)
        in_tree = Path(self.root, OBJECT) if version == "editable" else None
        try:
            compile_to(made, root=Path(self.root))
            named = tag()
            if in_tree is not None:
                place(made, in_tree)
        except (Refused, OSError) as refused:
            self.app.display_warning(f"asyncmta: {SOURCE} is not compiled, a Python thread will do its work: {refused}")
            if in_tree is not None:
                with suppress(OSError):
                    in_tree.unlink(missing_ok=True)  # an older one would be loaded
            return
        if in_tree is None:
            build_data["force_include"][str(made)] = OBJECT
            build_data["pure_python"] = False
            build_data["tag"] = named

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        self._folder.cleanup()


def compiler() -> list[str]:
    """The words of its command; raises Refused where there is none, or nothing that it could compile for."""
    if os.environ.get("ASYNCMTA_PURE", "") not in ("", "0"):
        raise Refused("ASYNCMTA_PURE is set")
    if not sys.platform.startswith("linux"):
        raise Refused(f"it is for Linux, and this is {sys.platform}")
    if ".abi3.so" not in EXTENSION_SUFFIXES or sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise Refused("this Python has no stable ABI")
    if not any(Path(folder, "Python.h").exists() for folder in includes()):
        raise Refused("there is no Python.h (Debian and Ubuntu: python3-dev)")
    wanted = os.environ.get("CC")
    for command in [wanted] if wanted else [sysconfig.get_config_var("CC"), "cc"]:
        words = split(command or "")
        if words and shutil.which(words[0]):
            return words
    raise Refused(f"there is no C compiler ({wanted or 'cc'})")


def split(words: str) -> list[str]:
    try:
        return shlex.split(words)
    except ValueError as error:
        raise Refused(f"{error} in {words}") from error


def includes() -> list[str]:
    return list(dict.fromkeys(sysconfig.get_path(name) for name in ("include", "platinclude")))


def compile_to(made: Path, *, root: Path) -> None:
    """CFLAGS and LDFLAGS are heeded, as everywhere."""
    command = [*compiler(), *FLAGS, *(f"-I{folder}" for folder in includes())]
    command += split(os.environ.get("CFLAGS", ""))
    command += ["-o", str(made), SOURCE, *split(os.environ.get("LDFLAGS", ""))]
    said = made.with_suffix(".txt")  # no pipe: what a compiler leaves running (a cache's server) may keep that open
    try:
        with said.open("wb") as output:
            done = subprocess.run(  # noqa: S603
                command, cwd=root, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False, timeout=PATIENCE
            )
    except subprocess.TimeoutExpired as late:
        raise Refused(f"{command[0]} took more than {PATIENCE:.0f} seconds") from late
    if done.returncode != 0 or not made.exists():
        lines = said.read_text(errors="replace").splitlines()[-LAST_LINES:]
        raise Refused("\n".join([f"{command[0]} ended with {done.returncode}", *lines]))


def place(made: Path, target: Path) -> None:
    """At once, and as another file: a process that has the older one loaded keeps that."""
    beside = target.with_name(f".{target.name}.new")
    shutil.copy(made, beside)
    beside.replace(target)


def tag() -> str:
    """Of this system and processor: no other Linux than the one it was compiled on is promised (no "manylinux")."""
    tags = list(platform_tags())
    ours = next((each for each in tags if each.startswith("linux_")), None)
    if ours is None:
        raise Refused(f"it is for Linux, and this is {', '.join(tags)}")
    return f"cp311-abi3-{ours}"
