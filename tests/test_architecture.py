"""The walls of the house (docs/architecture.md): who may import whom, what is pure, where each library lives, and how
long a file may be. Walks the syntax trees, so that imports under TYPE_CHECKING and inside functions count.

Each rule is a function from a `House` (all files, parsed) to the faults it found, so that the tests at the end can
show on houses made for the purpose that every rule can fail.
"""

from __future__ import annotations

import ast
import re
import runpy
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "asyncmta"

# Lowest first. Rooms on one floor are strangers: they meet higher up, in mta.py.
FLOORS: list[set[str]] = [
    {"mail", "system"},
    {"maillog", "routing"},
    {"spool", "policy", "tracing"},
    {"bounce", "mailboxes", "auth", "lists", "suppression", "telemetry", "webhooks"},
    {"inbound", "scheduling", "delivery", "forwarding"},
    {"admin", "config", "stats"},
    {"web"},
    {"mta"},
    {"cli", "testing"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

# Files at the top of the package that are part of a room beside them, as config_*.py are of config.
PARTS = {
    "logline": "maillog",
    "operations": "mta",
    "route_report": "mta",
    "mta_policy": "mta",
    "mta_local": "mta",
    "turning": "mta",
}
PARTS |= {"why": "mta", "reasons": "mta"}
PARTS |= {"credentials": "routing", "mta_delivery": "mta", "mta_remote": "mta"}
PARTS |= {"null_client": "mta", "mta_front": "mta", "__init__": "(top)", "__main__": "(top)"}
PARTS |= {"mta_bounce": "mta", "mta_forwarding": "mta", "mta_lists": "mta", "mta_drop": "mta", "mta_maildir": "mta"}
PARTS |= {"mta_doors": "mta", "mta_watching": "mta", "mta_telemetry": "mta", "mta_tracing": "mta"}
PARTS |= {"tally": "maillog", "noted": "maillog", "counted_log": "maillog"}
PARTS |= {"log_json": "maillog", "log_rendering": "maillog"}
PARTS |= {
    "metrics": "mta",
    "metric_names": "mta",
    "metric_readings": "mta",
    "mta_metrics": "mta",
    "mta_metrics_watching": "mta",
}
PARTS |= {"mta_views": "mta", "rates": "mta", "mta_settings": "mta", "mta_sites": "mta", "recent_log": "maillog"}
PARTS |= {"mta_life": "mta", "pausing": "mta", "reloading": "mta", "mta_reload": "mta", "handing_off": "mta"}

# A library is used in these places only; to change it is to change them.
HOMES = {
    "aiosmtpd": ["inbound/listener.py", "inbound/authenticating.py"],
    "argon2": ["auth/hashes.py"],
    "bcrypt": ["auth/hashes.py"],
    "aiosmtplib": ["delivery/session.py"],
    "aiodns": ["delivery/resolver.py"],
    "pycares": ["delivery/resolver.py"],
    "aiofiles": ["delivery/maildir.py", "system/disk.py"],
    "uvloop": ["cli/serve.py"],
    "aiohttp": ["admin/", "web/", "delivery/token_endpoint.py", "webhooks/posting.py"],
    "jinja2": ["web/rendering.py"],
    "structlog": ["maillog.py"],
    "click": ["cli/"],
    "prometheus_client": ["metrics.py"],
    "rich": ["cli/"],
    "opentelemetry": ["telemetry/exporting.py"],
    "idna": ["mail/address.py"],
    "sqlite3": [
        "mailboxes/sqlite_users.py",
        "stats/database.py",
    ],  # of the standard library; it blocks, and is asked in one place
    "zstandard": ["spool/compression.py"],
    "pytest": ["testing/"],
    "pytest_asyncio": ["testing/"],
    "msgspec": [""],
    "time": ["system/clock.py"],  # of the standard library, and yet: only one file reads the time
}
IMPURE = {"asyncio", "ctypes", "os", "time", "random", "socket", "logging", "threading"}
IMPURE |= {"concurrent", "importlib", "multiprocessing", "pathlib", "queue", "secrets", "select", "selectors", "shutil"}
IMPURE |= {"signal", "ssl", "subprocess", "sys", "tempfile", "uuid"}
IMPURE_CALLS = {"open", "input", "print", "exec", "eval"}
IMPURE_METHODS = {("datetime", "now"), ("datetime", "today"), ("datetime", "utcnow"), ("date", "today")}

MAX_LINES = 300
MAX_FUNCTION = 60
MAX_PARAMETERS = 6
MAX_NESTING = 4
BLURRED = {"util", "utils", "helper", "helpers", "common", "manager", "managers"}


class File(NamedTuple):
    """`path` is relative to the package, as in "mail/address.py"."""

    path: str
    text: str
    tree: ast.Module

    @property
    def module(self) -> str:
        return f"{PACKAGE}/{self.path}".removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def room(self) -> str:
        return room_of(self.module)


class Import(NamedTuple):
    line: int
    module: str


class House:
    def __init__(self, texts: dict[str, str], pure: list[str]) -> None:
        self.files = {path: File(path, text, ast.parse(text, path)) for path, text in sorted(texts.items())}
        self.modules = {file.module: file for file in self.files.values()}
        self.pure = set(pure)

    def imports(self, file: File) -> Iterator[Import]:
        for node in ast.walk(file.tree):
            if isinstance(node, ast.Import):
                yield from (Import(node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from self._import_from(file, node)

    def _import_from(self, file: File, node: ast.ImportFrom) -> Iterator[Import]:
        base = node.module or ""
        if node.level:
            parents = file.module.split(".") if file.path.endswith("__init__.py") else file.module.split(".")[:-1]
            base = ".".join([*parents[: len(parents) - node.level + 1], *([base] if base else [])])
        for alias in node.names:
            whole = f"{base}.{alias.name}"
            # `from asyncmta.mail import address` imports a file too
            yield Import(node.lineno, whole if whole in self.modules else base)

    def inside(self, file: File) -> Iterator[tuple[Import, File]]:
        for found in self.imports(file):
            if found.module in self.modules and found.module != PACKAGE:
                yield found, self.modules[found.module]


def room_of(module: str) -> str:
    """`asyncmta.mail.address` -> mail; a file at the top is a room, or a part of one."""
    name = module.split(".")[1] if "." in module else "__init__"
    if name.startswith("config_"):
        return "config"
    return PARTS.get(name, name)


# -- the rules ------------------------------------------------------------------------------------------------------


def check_floors(house: House) -> Iterator[str]:
    for file in house.files.values():
        if file.room == "(top)":
            continue
        if file.room not in FLOOR:
            yield f"{file.path}: {file.room} stands on no floor; give it one in FLOORS of tests/test_architecture.py"
            continue
        for found, other in house.inside(file):
            if other.room == file.room:
                continue
            if other.room not in FLOOR or FLOOR[other.room] >= FLOOR[file.room]:
                yield f"{file.path}:{found.line} imports {found.module}: {_wrong(file.room, other.room)}"


def _wrong(room: str, other: str) -> str:
    if other not in FLOOR:
        return f"{other} is above every floor"
    here, there = FLOOR[room], FLOOR[other]
    if here == there:
        return (
            f"{room} and {other} are strangers on floor {here}; what they share belongs to a floor below, "
            "and they meet in mta.py, by a callable or a protocol"
        )
    return (
        f"{room} is on floor {here}, {other} on floor {there}, and imports go down only; "
        f"what is needed belongs to floor {here} or below, or is handed in by mta.py"
    )


def check_cycles(house: House) -> Iterator[str]:
    graph = {file.path: {other.path for _, other in house.inside(file)} - {file.path} for file in house.files.values()}
    done: set[str] = set()
    for start in graph:
        yield from _cycles(graph, start, [], done)


def _cycles(graph: dict[str, set[str]], at: str, trail: list[str], done: set[str]) -> Iterator[str]:
    if at in trail:
        yield " imports ".join([*trail[trail.index(at) :], at]) + ": a circle; what both need belongs into a third file"
    elif at not in done:
        for other in sorted(graph[at]):
            yield from _cycles(graph, other, [*trail, at], done)
        done.add(at)


def check_purity(house: House) -> Iterator[str]:
    for path in sorted(house.pure):
        if path not in house.files:
            yield f"{path}: listed as pure in pyproject.toml and not there"
            continue
        file = house.files[path]
        for found in house.imports(file):
            if found.module.split(".")[0] in IMPURE:
                yield f"{path}:{found.line} imports {found.module}, and is pure; the engine that calls it can do that"
        for found, other in house.inside(file):
            if other.path not in house.pure and not other.path.endswith("__init__.py"):
                yield f"{path}:{found.line} imports {other.path}, which is not pure; take what is needed as an argument"
        for node in ast.walk(file.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
                yield f"{path}:{node.lineno} calls {node.func.id}(), and is pure"
            if isinstance(node, ast.Attribute) and (ast.unparse(node.value), node.attr) in IMPURE_METHODS:
                yield f"{path}:{node.lineno} reads the time, and is pure; take it as an argument"


def check_listed(house: House) -> Iterator[str]:
    """What imports nothing impure is meant to be pure: then it is listed, and its branches are all asked for."""
    found = {path for path, file in house.files.items() if file.room in FLOOR and not path.endswith("__init__.py")}
    while True:
        leaning = {path for path in found if not _leans_on_pure(house, house.files[path], found)}
        if not leaning:
            break
        found -= leaning
    for path in sorted(found - house.pure):
        if house.files[path].room not in ("admin", "cli", "testing"):
            yield f'{path}: imports nothing impure; list it under pure in pyproject.toml: "{path}",'


def _leans_on_pure(house: House, file: File, pure: set[str]) -> bool:
    outside = {found.module.split(".")[0] for found in house.imports(file)} - {PACKAGE, "msgspec", "idna"}
    inside = {other.path for _, other in house.inside(file) if not other.path.endswith("__init__.py")}
    return outside <= sys.stdlib_module_names - IMPURE and inside <= pure


def check_libraries(house: House) -> Iterator[str]:
    for file in house.files.values():
        for found in house.imports(file):
            library = found.module.split(".")[0]
            if library == PACKAGE or (library in sys.stdlib_module_names and library not in HOMES):
                continue
            homes = HOMES.get(library)
            if homes is None:
                yield f"{file.path}:{found.line} imports {library}, which has no home in tests/test_architecture.py"
            elif not any(file.path.startswith(home) for home in homes):
                yield f"{file.path}:{found.line} imports {library}, whose home is {' or '.join(homes)}"
            if file.path in house.pure and library not in (
                "msgspec",
                *(["idna"] if file.path == "mail/address.py" else []),
            ):
                yield f"{file.path}:{found.line} imports {library}, and is pure (msgspec alone is allowed)"


def check_size(house: House) -> Iterator[str]:
    for file in house.files.values():
        lines = file.text.count("\n")
        if lines > MAX_LINES:
            yield f"{file.path}: {lines} lines, more than {MAX_LINES}; it has two subjects"
        for node in ast.walk(file.tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION:
                yield f"{file.path}:{node.lineno} {node.name}: {length} lines, more than {MAX_FUNCTION}"
            names = [one.arg for one in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]]
            count = len([name for name in names if name not in ("self", "cls")])
            if count > MAX_PARAMETERS and not _is_constructor(node):
                yield f"{file.path}:{node.lineno} {node.name}: {count} parameters, more than {MAX_PARAMETERS}"
            depth = _depth(node)
            if depth > MAX_NESTING:
                yield f"{file.path}:{node.lineno} {node.name}: nested {depth} deep, more than {MAX_NESTING}"


def _is_constructor(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A constructor that takes its collaborators by keyword may take more: mta.py reads like the plan because of it.
    One that stands before them (`Mta(settings, ...)`, contract.md 5) does not make it another kind."""
    return node.name == "__init__" and not node.args.args[2:] and not node.args.posonlyargs


def _depth(node: ast.AST) -> int:
    """How deep blocks are nested; elif is no nesting, and a function inside counts for itself."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        block = isinstance(
            child, ast.If | ast.For | ast.AsyncFor | ast.While | ast.With | ast.AsyncWith | ast.Try | ast.Match
        )
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        deepest = max(deepest, _depth(child) + (block and not is_elif))
    return deepest


def check_docstrings(house: House) -> Iterator[str]:
    for file in house.files.values():
        if not ast.get_docstring(file.tree):
            yield f"{file.path}: begins without a docstring that says what it owns, promises and never does"


def check_names(house: House) -> Iterator[str]:
    for file in house.files.values():
        named = [(1, part) for part in file.path.removesuffix(".py").split("/")]
        for node in ast.walk(file.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                named.append((node.lineno, node.name))
            if isinstance(node, ast.Global):
                yield f"{file.path}:{node.lineno} has a global that changes; state belongs to an object"
        for line, name in named:
            words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
            if words & BLURRED:
                yield f"{file.path}:{line} {name}: a name that says nothing (docs/architecture.md, house style)"


RULES = [
    check_floors,
    check_cycles,
    check_purity,
    check_listed,
    check_libraries,
    check_size,
    check_docstrings,
    check_names,
]


# -- our house ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def house() -> House:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    folder = ROOT / PACKAGE
    texts = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.py")}
    return House(texts, settings["tool"]["asyncmta"]["pure"])


@pytest.mark.parametrize("rule", RULES)
def test_house(rule: object, house: House) -> None:
    assert callable(rule)
    faults = list(rule(house))
    assert not faults, "\n".join(["", *faults])


def test_the_table_of_files_in_the_documentation_is_true() -> None:
    script = runpy.run_path(str(ROOT / ".ci" / "file_table.py"))
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert script["MARKS"].search(page)[0] == script["table"](), "run make docs"


def test_all_of_mail_is_pure(house: House) -> None:
    assert [path for path in house.files if re.match(r"mail/[^_]", path) and path not in house.pure] == []


# -- houses that break a rule ---------------------------------------------------------------------------------------

DOC = '"""What it owns."""\n'


def faults_of(rule: object, *, pure: tuple[str, ...] = (), **texts: str) -> list[str]:
    """Files by name, with __ for a slash: mail__address="import os"."""
    assert callable(rule)
    paths = {name: name if name.startswith("__") else name.replace("__", "/") for name in texts}
    files = {f"{paths[name]}.py": DOC + text for name, text in texts.items()}
    return list(rule(House(files, list(pure))))


@pytest.mark.parametrize(
    "text",
    [
        "import asyncmta.spool.store",
        "from asyncmta.spool import store",
        "from asyncmta.spool.store import Store",
        "from ..spool.store import Store",
        "from ..spool import store",
        "def f():\n    from asyncmta.spool.store import Store",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from asyncmta.spool.store import Store",
    ],
)
def test_an_import_that_goes_up_is_found_however_it_is_written(text: str) -> None:
    (fault,) = faults_of(check_floors, mail__headers=text, spool__store="")
    assert "mail is on floor 0, spool on floor 2, and imports go down only" in fault
    assert faults_of(check_floors, spool__store="from asyncmta.mail import headers", mail__headers="") == []


def test_strangers_are_told_where_they_meet() -> None:
    (fault,) = faults_of(check_floors, inbound__intake="import asyncmta.scheduling.agenda", scheduling__agenda="")
    assert fault.startswith(
        "inbound/intake.py:2 imports asyncmta.scheduling.agenda: inbound and scheduling are strangers"
    )
    assert "mta.py" in fault


def test_a_room_without_a_floor_and_the_top_of_the_house() -> None:
    assert "stands on no floor" in faults_of(check_floors, attic__box="")[0]
    assert "above every floor" in faults_of(check_floors, mail__x="import asyncmta.__main__", __main__="")[0]
    assert (
        faults_of(check_floors, __init__="import asyncmta.mta", mta="import asyncmta.config_checks", config_checks="")
        == []
    )
    assert faults_of(check_floors, maillog="import asyncmta.logline", logline="") == []


def test_a_circle_is_found() -> None:
    found = faults_of(
        check_cycles,
        mail__a="import asyncmta.mail.b",
        mail__b="import asyncmta.mail.c",
        mail__c="import asyncmta.mail.a",
    )
    (circle,) = found
    assert circle.startswith("mail/a.py imports mail/b.py imports mail/c.py imports mail/a.py: a circle")


@pytest.mark.parametrize(
    "text", ["import os.path", "from asyncio import sleep", "def f():\n    import time", "import random as r"]
)
def test_a_pure_file_that_is_not(text: str) -> None:
    (fault,) = faults_of(check_purity, pure=("mail/a.py",), mail__a=text)
    assert "and is pure" in fault
    assert faults_of(check_purity, mail__a=text) == []


def test_a_pure_file_that_leans_on_an_impure_one_or_reads_the_time() -> None:
    assert (
        "which is not pure"
        in faults_of(check_purity, pure=("mail/a.py",), mail__a="import asyncmta.mail.b", mail__b="")[0]
    )
    assert "reads the time" in faults_of(check_purity, pure=("mail/a.py",), mail__a="x = datetime.now()")[0]
    assert "calls open()" in faults_of(check_purity, pure=("mail/a.py",), mail__a="open('x')")[0]
    assert "not there" in faults_of(check_purity, pure=("mail/gone.py",), mail__a="")[0]


def test_a_file_that_is_pure_and_does_not_say_so() -> None:
    found = faults_of(
        check_listed,
        mail__a="import asyncmta.mail.b",
        mail__b="import re",
        mail__c="import asyncmta.mail.d",
        mail__d="import os",
    )
    assert [fault.split(":")[0] for fault in found] == ["mail/a.py", "mail/b.py"]
    assert faults_of(check_listed, pure=("mail/a.py",), mail__a="", cli__words="") == []


def test_a_library_away_from_home() -> None:
    assert "whose home is inbound/listener.py" in faults_of(check_libraries, mail__a="import aiosmtpd.smtp")[0]
    assert "whose home is system/clock.py" in faults_of(check_libraries, spool__a="from time import monotonic")[0]
    assert "has no home" in faults_of(check_libraries, mail__a="import requests")[0]
    assert "and is pure" in faults_of(check_libraries, pure=("admin/a.py",), admin__a="import aiohttp")[0]
    assert faults_of(check_libraries, pure=("mail/address.py",), mail__address="import idna, msgspec, re") == []
    assert faults_of(check_libraries, admin__x="from aiohttp import web", inbound__listener="import aiosmtpd") == []


def test_what_is_too_big() -> None:
    assert "more than 300" in faults_of(check_size, mail__a="x = 1\n" * 300)[0]
    assert faults_of(check_size, mail__a="x = 1\n" * 299) == []
    assert "61 lines" in faults_of(check_size, mail__a="def f():\n" + "    x = 1\n" * 60)[0]
    assert "7 parameters" in faults_of(check_size, mail__a="def f(self, a, b, c, *, d, e, f, g): pass")[0]
    assert faults_of(check_size, mail__a="class A:\n    def __init__(self, *, a, b, c, d, e, f, g): pass") == []
    deep = "def f():\n for a in b:\n  if a:\n   with c:\n    while d:\n     if e: pass\n"
    assert "nested 5 deep" in faults_of(check_size, mail__a=deep)[0]
    assert faults_of(check_size, mail__a="def f():\n" + " if a: pass\n" + " elif b: pass\n" * 9) == []


def test_a_file_without_a_docstring_and_a_name_that_says_nothing() -> None:
    assert list(check_docstrings(House({"mail/a.py": "x = 1\n"}, []))) == [
        "mail/a.py: begins without a docstring that says what it owns, promises and never does"
    ]
    for found in (
        faults_of(check_names, mail__utils=""),
        faults_of(check_names, mail__a="class QueueManager: pass"),
        faults_of(check_names, mail__a="def parse_helper(): pass"),
    ):
        assert "says nothing" in found[0]
    assert "global" in faults_of(check_names, mail__a="def f():\n    global x")[0]
    assert faults_of(check_names, mail__a="class Commons: pass\ndef manage(): pass") == []
