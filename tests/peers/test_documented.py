"""Every command of README.md and docs/*.md, executed: each page in a scene of its own (peerkit/scene.py).

Commands have to end with 0 (or as a note says), what is shown below a command has to have the form of the real output,
TOML has to pass check-config, Python has to run. A page that comes is tried without a change here; docs/writing.md is
for its author.
"""

from __future__ import annotations

import json
import pathlib
import re
import shlex
import shutil
import subprocess
import textwrap
import time

import pytest
import yaml
from peerkit.image import BASE, MARKS, Image, instructions
from peerkit.programs import TOP, program
from peerkit.scene import FOLDER, SHARED, TOKEN, Scene

from tests.docs import pages
from tests.docs.pages import Block

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(900)]

PAGES = [page for page in pages.pages() if any(block.language in pages.CHECKED for block in pages.blocks(page))]
HOW = "docs/writing.md tells what to do"
SETTINGS = f"""
hostname = "mail.example.org"
spool = "var/spool"

[[listener]]
port = 2525

[local]
domains = ["localhost", "example.org"]
mailboxes = "any"

[admin]
listen = "127.0.0.1:8025"
token = "{TOKEN}"
"""
SERVES = re.compile(r"^(make serve|([A-Z_0-9]+=\S+ )*(\S*/)?asyncmta (-c \S+ )?serve( -c \S+)?)\s*(#.*)?$")
AWAIT = """
for _ in $(seq 150); do
  kill -0 $MTA 2>/dev/null || { echo "it has ended:"; tail -n 20 mta.log; false; break; }
  [ "$ASYNCMTA_MODE$LISTENS" != "" ] && (exec 9<>/dev/tcp/127.0.0.1/2525) 2>/dev/null && break
  asyncmta health >/dev/null 2>&1 && break
  sleep 0.2
done
"""


class Fault(Exception):
    """What is wrong with a block, in words for who wrote it."""


def demand(right: object, text: str) -> None:
    if not right:
        raise Fault(text)


def succeeds(*words: str) -> bool:
    return subprocess.run(words, capture_output=True, timeout=20, check=False).returncode == 0


# What a block may say that it needs, and whether that is here. A block that says so while it is there has to be tried.
NEEDS = {
    "a Kubernetes cluster": lambda: bool(shutil.which("kubectl")) and succeeds("kubectl", "get", "--raw", "/livez"),
    "Docker Compose": lambda: bool(shutil.which("docker")) and succeeds("docker", "compose", "ps"),
    "systemd": lambda: pathlib.Path("/run/systemd/system").is_dir(),
    "an hour": lambda: False,
    "the Internet": lambda: False,
    "a browser": lambda: False,
}


def commands(text: str) -> list[str]:
    """The commands of a block of `sh`: lines, but what bash takes as one command is one."""
    found, held = [], ""
    for line in text.splitlines():
        held = f"{held}\n{line}" if held else line
        if not held.strip() or re.fullmatch(r"\s*#.*", held):
            held = ""
            continue
        checked = subprocess.run(["bash", "-n"], input=held, capture_output=True, text=True, check=False)
        if line.endswith("\\") or checked.returncode != 0 or "here-document" in checked.stderr:
            continue
        found.append(held)
        held = ""
    demand(not held, f"this is no whole command: {held}")
    return found


class Reader:
    """Goes through one page."""

    def __init__(self, scene: Scene, page: pathlib.Path) -> None:
        self.scene = scene
        self.blocks = pages.blocks(page)
        self.faults: list[str] = []
        self._serves = False
        self._alone = any({"no server", "checkout"} & set(block.notes) for block in self.blocks)
        if any("checkout" in block.notes for block in self.blocks):
            self.shell(f"cd {TOP}; touch .venv/.installed", "the checkout")

    def shell(self, command: str, place: str, **how: object) -> str:
        """One that has to work, and that the reader does not see."""
        code, said = self.scene.run(command, **how)  # type: ignore[arg-type]
        if code != 0:
            raise Fault(f"{place}: `{command.strip()}` (a note, or the test's own) ended with {code}:\n{said}")
        return said

    def serve(self, command: str, place: str) -> None:
        self.stop()
        self.shell(f"{command} > mta.log 2>&1 &\nMTA=$!; LISTENS=", place)
        if "null-client" in command:  # has no control socket to ask
            self.shell("LISTENS=yes", place)
        self.shell(AWAIT, place)
        self._serves = True

    def stop(self) -> None:
        if self._serves:
            self.scene.run("kill -TERM $MTA; wait $MTA")
            self._serves = False

    def read(self) -> None:
        for block in self.blocks:
            try:
                self.take(block)
            except Fault as fault:
                self.faults.append(str(fault))
        self.stop()
        said = self.scene.run('grep -hE \'"level":"critical"|Traceback\' mta.log 2>/dev/null', piped=True)[1]
        if said:
            self.faults.append(f"the log of the MTA has:\n{said}")

    def take(self, block: Block) -> None:
        notes = block.notes
        if "not run" in notes:
            needed = notes["not run"].removeprefix("needs ").partition(";")[0]
            demand(needed in NEEDS, f"{block.place}: needs {needed!r}; there are {', '.join(NEEDS)}")
            demand(not NEEDS[needed](), f"{block.place}: {needed} is here, so this can be tried")
            return
        if settings := notes.get("settings") or (block.text if "settings" in notes else ""):
            self.scene.write("config.toml", settings)
            self.serve("asyncmta serve", block.place)
        if block.language in pages.COMMANDS and not self._serves and not self._alone:
            self.scene.write("config.toml", SETTINGS)
            self.serve("asyncmta serve", block.place)
        if block.language != "python" and (before := notes.get("before")):
            self.shell(before, f"{block.place}, before")
        if taken := getattr(self, f"take_{block.language}", None):
            taken(block)

    def typed(self, block: Block, command: str) -> str:
        if SERVES.match(command):
            self.serve(command, block.place)
            return ""
        notes, began = block.notes, time.monotonic()
        may = [int(notes.get("exits", "0")), *([130] if "lasts" in notes else [])]
        line = f"timeout --preserve-status -s INT 4 bash -c {shlex.quote(command)}" if "lasts" in notes else command
        code, said = self.scene.run(line, stdin=notes.get("types", ""), piped="piped" in notes, timeout=120)
        print(f"{time.monotonic() - began:6.2f} s  {command}")
        demand(code in may, f"{block.place}: `{command}` ended with {code} and not with {may[-1]}:\n{said}\n{HOW}")
        return said

    def take_sh(self, block: Block) -> None:
        for command in commands(block.text):
            self.typed(block, command)

    def take_console(self, block: Block) -> None:
        for command, expected in pages.console(block.text):
            said = self.typed(block, command)
            missing = pages.shows(expected, said)
            demand(
                not missing,
                f"{block.place}: `{command}`: the page shows this line, and the output does not:\n{missing}\n"
                f"it is:\n{said}\n{HOW}",
            )

    def take_cron(self, block: Block) -> None:
        for line in block.text.splitlines():
            self.typed(block, line.split(maxsplit=5)[5])

    def take_toml(self, block: Block) -> None:
        self.scene.write(f"{FOLDER}/of-the-page.toml", block.text)
        code, said = self.scene.run(
            f"cd {FOLDER}; asyncmta check-config -c of-the-page.toml; code=$?; cd - >/dev/null; (exit $code)"
        )
        demand(code == 0, f"{block.place}: check-config ended with {code}:\n{said}\n{HOW}")

    def take_env(self, block: Block) -> None:
        lines = [line.partition("  #")[0].strip() for line in block.text.splitlines() if line.strip()]
        code, said = self.scene.run(f"(cd {FOLDER}; env {' '.join(lines)} asyncmta check-config -c /dev/null)")
        demand(code == 0, f"{block.place}: check-config ended with {code}:\n{said}\n{HOW}")

    def take_json(self, block: Block) -> None:
        json.loads(block.text)

    def take_yaml(self, block: Block) -> None:
        list(yaml.safe_load_all(block.text))

    def take_dockerfile(self, block: Block) -> None:
        for name, rest in instructions(block.text):
            demand(name in ("FROM", "ENV", "WORKDIR", "COPY", "RUN", *MARKS), f"{block.place}: {name}: no instruction")
            gone = [word for word in rest.split()[:-1] if name == "COPY" and not (TOP / word).exists()]
            demand(not gone, f"{block.place}: {', '.join(gone)}: not in the checkout")

    def take_python(self, block: Block) -> None:
        """Top-level await is allowed; the note `before` is Python that stands above it."""
        self.stop()  # the program may want the same spool
        source = textwrap.dedent(block.notes.get("before", "")) + "\n" + block.text
        runner = (
            "import ast, asyncio, inspect, sys\n"
            "source = open(sys.argv[1]).read()\n"
            "code = compile(source, sys.argv[1], 'exec', ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)\n"
            "async def main():\n"
            "    found = eval(code, {'__name__': '__page__'})\n"
            "    if inspect.isawaitable(found): await found\n"
            "asyncio.run(main())\n"
        )
        self.scene.write(f"{FOLDER}/of-the-page.py", source)
        self.scene.write(f"{FOLDER}/run-page.py", runner)
        code, said = self.scene.run(f"python {FOLDER}/run-page.py {FOLDER}/of-the-page.py", timeout=60)
        demand(code == 0, f"{block.place}: this Python ended with {code}:\n{said}\n{HOW}")


@pytest.fixture
def scene(tmp_path):
    made = Scene(tmp_path / "scene")
    fails = '#!/bin/sh\nexec /usr/bin/curl --silent --show-error --fail-with-body "$@"\n'  # a 4yz ends with 22
    made.write(f"{SHARED}/bin/curl", fails)
    stand_in = f'#!/bin/sh\nPYTHONPATH={TOP}/tests/peers:{TOP} exec {TOP}/.venv/bin/python -m peerkit.docker "$@"\n'
    made.write(f"{SHARED}/bin/docker", stand_in)
    assert made.run(f"chmod 755 {SHARED}/bin/*")[0] == 0
    yield made
    made.__exit__()


def test_the_unit_is_one(scene):
    """By systemd's own word; it would say so of a directive that it does not know, and go on without it."""
    program("systemd-analyze")
    code, said = scene.run(f"systemd-analyze verify {TOP}/deploy/systemd/asyncmta.service", piped=True)
    assert (code, said) == (0, "")


@pytest.mark.parametrize("page", PAGES, ids=[pages.name_of(page) for page in PAGES])
def test_a_page(scene, page):
    if "docker run" in page.read_text():
        if not (BASE / "asyncmta-base").exists():
            pytest.skip(f"{BASE} is not there: run make test-tools (mmdebstrap)")
        Image()  # its layers are made here, where the network is
    reader = Reader(scene, page)
    began = time.monotonic()
    reader.read()
    print(f"{pages.name_of(page)}: {time.monotonic() - began:.1f} s")
    assert not reader.faults, "\n\n".join(reader.faults)
