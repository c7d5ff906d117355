"""What hatchling makes of a copy of this tree with hatch_build.py: wheels, an install in place, and the source archive.

With the C compiler that is there, and with what is there instead of one on other machines.
"""

from __future__ import annotations

import importlib.util
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
HOOK = runpy.run_path(str(ROOT / "hatch_build.py"))
SOURCE, OBJECT = HOOK["SOURCE"], HOOK["OBJECT"]
PARTS = ("pyproject.toml", "README.md", "LICENSE", "hatch_build.py", ".gitignore")
WHY_NOT = f"asyncmta: {SOURCE} is not compiled, a Python thread will do its work: "
PURE_NAME = r"asyncmta-[\d.]+-py3-none-any\.whl"

Build = Callable[..., tuple[Path, str]]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    made = tmp_path / "tree"
    made.mkdir()
    for name in PARTS:
        shutil.copy(ROOT / name, made)
    shutil.copytree(ROOT / "asyncmta", made / "asyncmta", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    return made


@pytest.fixture
def build(tree: Path, tmp_path: Path) -> Build:
    """build("wheel", CC=...): the file that it made, and what it said. No folder of it is left behind."""

    def build(what: str, **environment: str) -> tuple[Path, str]:
        out, scratch = tmp_path / "dist", tmp_path / "scratch"
        for folder in (out, scratch):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        clean = {name: value for name, value in os.environ.items() if name not in ("CC", "CFLAGS", "LDFLAGS")}
        done = subprocess.run(
            [sys.executable, "-c", f"from hatchling.build import build_{what} as build; build({str(out)!r})"],
            cwd=tree,
            env=clean | {"TMPDIR": str(scratch)} | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert list(scratch.iterdir()) == []
        (made,) = out.iterdir()
        return made, done.stderr

    return build


@pytest.fixture
def compiler() -> None:
    try:
        HOOK["compiler"]()
    except HOOK["Refused"] as refused:
        pytest.skip(f"cannot be compiled here: {refused}")


def imported() -> Any:
    """The hook, to be changed by a test."""
    spec = importlib.util.spec_from_file_location("hatch_build_tried", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    return hook


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def said_in(wheel: Path) -> str:
    """Its file WHEEL."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/WHEEL"))
        return archive.read(name).decode()


def loaded(path: Path) -> str:
    """What a process that loads the object finds in it."""
    code = (
        "import importlib.util as u; s = u.spec_from_file_location('_appending', %r);"
        "m = u.module_from_spec(s); s.loader.exec_module(m); a = m.Appender(); a.close(); print(m.__doc__)"
    )
    done = subprocess.run([sys.executable, "-c", code % str(path)], capture_output=True, text=True, check=True)
    return done.stdout


def is_pure(wheel: Path) -> bool:
    assert ("Root-Is-Purelib: true" in said_in(wheel)) == ("Tag: py3-none-any" in said_in(wheel))
    assert bool(re.fullmatch(PURE_NAME, wheel.name)) == (OBJECT not in names(wheel))
    assert not [name for name in names(wheel) if name.endswith(".c")]
    return OBJECT not in names(wheel)


@pytest.mark.usefixtures("compiler")
def test_a_wheel_has_it_and_says_so(build: Build, tree: Path, tmp_path: Path) -> None:
    wheel, said = build("wheel")
    assert said == ""
    assert not is_pure(wheel)
    assert re.fullmatch(r"asyncmta-[\d.]+-cp311-abi3-linux_[a-z0-9_]+\.whl", wheel.name)
    assert re.search(r"^Root-Is-Purelib: false$", said_in(wheel), re.MULTILINE)
    assert re.search(r"^Tag: cp311-abi3-linux_[a-z0-9_]+$", said_in(wheel), re.MULTILINE)
    assert [name for name in names(wheel) if name.endswith(".so")] == [OBJECT]
    assert not (tree / OBJECT).exists()
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    assert "writes and syncs" in loaded(unpacked / OBJECT)


@pytest.mark.usefixtures("compiler")
def test_it_is_compiled_anew_each_time(build: Build, tree: Path) -> None:
    (tree / OBJECT).write_bytes(b"of an older install in place")
    for words in ("one thing", "another"):
        text = (ROOT / SOURCE).read_text().replace("writes and syncs", words)
        (tree / SOURCE).write_text(text)
        wheel, _ = build("wheel")
        with zipfile.ZipFile(wheel) as archive:
            assert words.encode() in archive.read(OBJECT)
    assert (tree / OBJECT).read_bytes() == b"of an older install in place"


@pytest.mark.usefixtures("compiler")
def test_an_install_in_place_has_it_in_the_tree_and_not_in_the_wheel(build: Build, tree: Path) -> None:
    wheel, said = build("editable")
    assert (said, is_pure(wheel)) == ("", True)
    assert "writes and syncs" in loaded(tree / OBJECT)
    older = os.open(tree / OBJECT, os.O_RDONLY)  # as a process has it that runs
    try:
        build("editable")
        assert os.fstat(older).st_ino != (tree / OBJECT).stat().st_ino
    finally:
        os.close(older)
    assert [path.name for path in (tree / OBJECT).parent.glob("*.so*")] == [Path(OBJECT).name]


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"ASYNCMTA_PURE": "1"}, "ASYNCMTA_PURE is set"),
        ({"CC": "/bin/false"}, "/bin/false ended with 1"),
        ({"CC": "/no/such/compiler -O2"}, "there is no C compiler (/no/such/compiler -O2)"),
        ({"CC": "/bin/true"}, "/bin/true ended with 0"),
        ({"_PYTHON_HOST_PLATFORM": "hurd-i386"}, "it is for Linux, and this is hurd_i386"),
        ({"CC": "/bin/false '"}, "No closing quotation in /bin/false '"),
        ({"CC": "/bin/false", "CFLAGS": "-DNAME='"}, "No closing quotation in -DNAME='"),
        ({"CC": "/bin/false", "LDFLAGS": '"'}, 'No closing quotation in "'),
    ],
)
def test_where_it_cannot_be_compiled_the_wheel_is_of_python_alone_and_a_line_says_why(
    build: Build, environment: dict[str, str], reason: str
) -> None:
    wheel, said = build("wheel", **environment)
    assert said == f"{WHY_NOT}{reason}\n"
    assert is_pure(wheel)


@pytest.mark.usefixtures("compiler")
def test_a_compiler_that_refuses_is_heard(build: Build, tree: Path) -> None:
    (tree / SOURCE).write_text("this is no C\n")
    wheel, said = build("wheel")
    first, *rest = said.splitlines()
    assert re.fullmatch(re.escape(WHY_NOT) + r"\S+ ended with 1", first)
    assert any("error" in line for line in rest)
    assert len(rest) <= HOOK["LAST_LINES"]
    assert is_pure(wheel)


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    """A compiler that does this."""

    def script(text: str) -> str:
        made = tmp_path / "cc"
        made.write_text(f"#!/bin/sh\n{text}\n")
        made.chmod(0o755)
        return str(made)

    return script


def test_what_a_compiler_leaves_running_is_not_waited_for(
    build: Build, script: Callable[[str], str], tmp_path: Path
) -> None:
    """As the first call of a compiler's cache leaves its server, with all that it had open."""
    command = script(f"sleep 1000 & echo $! > {tmp_path}/left; echo refused; exit 1")
    try:
        _, said = build("wheel", CC=command)
    finally:
        os.kill(int((tmp_path / "left").read_text()), signal.SIGKILL)
    assert said == f"{WHY_NOT}{command} ended with 1\nrefused\n"


def test_a_compiler_that_hangs_is_given_up(
    script: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hook = imported()
    monkeypatch.setattr(hook, "PATIENCE", 0.1)
    monkeypatch.setattr(hook, "compiler", lambda: [script("exec sleep 1000")])
    with pytest.raises(hook.Refused, match=r"cc took more than 0 seconds$"):
        hook.compile_to(tmp_path / "made.so", root=ROOT)


def test_an_install_in_place_without_it_leaves_no_older_one_to_be_loaded(build: Build, tree: Path) -> None:
    (tree / OBJECT).write_bytes(b"old")
    _, said = build("editable", ASYNCMTA_PURE="1")
    assert said == f"{WHY_NOT}ASYNCMTA_PURE is set\n"
    assert not (tree / OBJECT).exists()


def test_the_source_archive_has_the_source_and_what_compiles_it(build: Build, tree: Path) -> None:
    (tree / OBJECT).write_bytes(b"of an install in place")
    (tree / ".gitignore").unlink()
    archive, said = build("sdist")
    assert said == ""
    with tarfile.open(archive) as opened:
        found = {name.partition("/")[2] for name in opened.getnames()}
    assert {SOURCE, "hatch_build.py", "pyproject.toml", "LICENSE"} <= found
    assert not [name for name in found if name.endswith(".so")]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"platform": "darwin"}, "it is for Linux, and this is darwin"),
        ({"suffixes": [".so"]}, "this Python has no stable ABI"),
        ({"header": ""}, "there is no Python.h (Debian and Ubuntu: python3-dev)"),
    ],
)
def test_other_systems(
    changes: dict[str, object], reason: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hook = imported()
    monkeypatch.setattr(hook.sys, "platform", changes.get("platform", "linux"))
    monkeypatch.setattr(hook, "EXTENSION_SUFFIXES", changes.get("suffixes", [".abi3.so", ".so"]))
    if "header" in changes:
        monkeypatch.setattr(hook, "includes", lambda: [str(tmp_path)])
    with pytest.raises(hook.Refused, match=f"^{re.escape(reason)}$"):
        hook.compiler()
