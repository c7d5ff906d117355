"""docs/bounce-en.png and docs/bounce-de.png: a report as mutt shows it in a terminal, as docs/bounces.md has it.

`.venv/bin/python .ci/bounce_picture.py`, by hand after a change of words; needs mutt, tmux, rsvg-convert and a
monospaced font (Debian: mutt tmux librsvg2-bin fonts-dejavu-core). Promises: what is shown is what the terminal had.
"""

# ruff: noqa: S603, S607 - programs of ours, run by hand
from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from asyncmta.bounce.dsn import build_dsn
from asyncmta.bounce.dsn_example import example
from asyncmta.bounce.templates import LANGUAGES

ROOT = Path(__file__).parents[1]
WIDTH, HEIGHT = 80, 46
MUTTRC = """
set folder={box} spoolfile={box} charset=utf-8 markers=no
ignore *
unignore from to subject date
color header cyan default .
color status black green
color attachment yellow default
"""


def screen(language: str) -> str:
    """What the terminal shows, with its colours as escape sequences."""
    facts = example("failed", hostname="mx.example.org", postmaster="postmaster@example.org")
    with tempfile.TemporaryDirectory() as folder:
        box = Path(folder, "box")
        for name in ("cur", "new", "tmp"):
            (box / name).mkdir(parents=True)
        (box / "new" / "1").write_bytes(build_dsn(facts, LANGUAGES[language]).replace(b"\r\n", b"\n"))
        Path(folder, "muttrc").write_text(MUTTRC.format(box=box))
        tmux = ["tmux", "-L", f"bounce-{language}"]
        mutt = f"LC_ALL=C.UTF-8 mutt -n -F {folder}/muttrc -R -f {box}"
        subprocess.run([*tmux, "new-session", "-d", "-x", str(WIDTH), "-y", str(HEIGHT), mutt], check=True)
        try:
            time.sleep(2)
            subprocess.run([*tmux, "send-keys", "Enter"], check=True)
            time.sleep(1)
            return subprocess.run([*tmux, "capture-pane", "-pe"], check=True, capture_output=True, text=True).stdout
        finally:
            subprocess.run([*tmux, "kill-server"], check=True)


def draw(ansi: str, picture: Path) -> None:
    with Path("/dev/null").open("w") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi(ansi))
    svg = console.export_svg(title="mutt").replace("Fira Code", "DejaVu Sans Mono")
    svg = svg.replace("<text ", '<text xml:space="preserve" ')  # or rsvg-convert loses what lines are indented by
    subprocess.run(["rsvg-convert", "--width", "800", "-o", str(picture)], input=svg.encode(), check=True)


if __name__ == "__main__":
    for language in LANGUAGES:
        draw(screen(language), ROOT / "docs" / f"bounce-{language}.png")
