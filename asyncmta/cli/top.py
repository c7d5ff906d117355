"""`asyncmta top`: how the running MTA fares, drawn anew each second: rates, queue, latency, sites, what failed.

Off a terminal, and with --once, one picture and the end. Promises: the terminal is given back as it was at every end
that a program can see; an MTA that goes away is waited for; nothing that a peer sent moves the cursor. 69: not running
at the start; 130: Ctrl-C.

docs/top.md.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import Any

import click
import msgspec
from msgspec.structs import replace
from rich.console import Console, Group, ScreenContext
from rich.control import Control
from rich.text import Text

from asyncmta.admin.client import ControlClient, NotRunning, Refused
from asyncmta.cli import top_layout
from asyncmta.cli.exits import INTERRUPTED
from asyncmta.cli.keyboard import CLOSED, RESIZED, STOPPED, Keyboard
from asyncmta.cli.queue import ask
from asyncmta.cli.queue_source import running
from asyncmta.cli.top_facts import BLOCKS, PLAIN_BLOCKS, Facts, shown
from asyncmta.cli.top_keys import LOOK, QUIT, RETRY, State, pressed
from asyncmta.cli.where import config_option
from asyncmta.config_kinds import Duration, Unfit
from asyncmta.system.clock import SystemClock

STEPS = ("limit", "60")
MOST_COUNTED = 20_000  # messages: a look at more of them each few seconds is too much for whoever sends them
COUNTED_EACH = 5  # pictures
MOST_LEADING = 1_000  # sites whose next hops are remembered
FAILURES = 10
PATIENCE = 5.0
ONCE_LINES = 60


class Interval(click.ParamType[float]):
    """A duration as "1s", "0.5s", "10s"; in seconds."""

    name = "interval"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return Duration(0.2, 3600.0).parse(value) if isinstance(value, str) else float(value)
        except Unfit as error:
            self.fail(str(error), param, ctx)


@click.command(name="top")
@click.option("--once", is_flag=True, help="One picture, and the end; also what happens where no terminal is.")
@click.option("--interval", type=Interval(), default="1s", show_default=True, help="How often: 0.5s, 1s, 1m.")
@click.option("--json", "as_json", is_flag=True, help="With --once: as JSON on a terminal, too.")
@config_option
def command(once: bool, interval: float, as_json: bool) -> None:
    """Watch the running MTA: rates, queue, latency, sites, recent failures.

    \b
    q quit            p stop and go on       s sort the sites otherwise
    j k or arrows pick a site                r try now what waits for it
    / filter sites and failures              Escape ends filter and choice
    """
    terminal = sys.stdout.isatty()
    if as_json and not once:
        raise click.UsageError("--json goes only with --once")
    watch = Watch(running())
    facts = ask(watch.look)
    if as_json or not terminal:
        click.echo(msgspec.json.encode(shown(facts)))
        return
    console = Console()
    blocks = PLAIN_BLOCKS if console.options.ascii_only else BLOCKS
    if once or console.is_dumb_terminal:  # which cannot draw anew
        for line in top_layout.lines(facts, State(), console.width, ONCE_LINES, blocks)[:-1]:
            console.print(line, overflow="crop", crop=True)
        return
    raise SystemExit(Show(watch, console, interval, blocks).run(facts))


class Watch:
    """Asks the MTA, and remembers what it forgets: which next hops led to a site."""

    def __init__(self, client: ControlClient) -> None:
        self._client = ControlClient(client.path, timeout=PATIENCE)
        self._leading: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
        self._queued: dict[str, int] | None = None
        self._looks = 0

    def look(self) -> Facts:
        """Raises NotRunning and Refused."""
        get = self._client.get
        rates = get("/v1/rates", [STEPS])
        sites = get("/v1/sites")["sites"]
        if len(self._leading) > MOST_LEADING:
            self._leading.clear()
        for site in sites:
            self._leading[site["key"]] |= set(site["destinations"])
        if self._looks % COUNTED_EACH == 0:
            self._queued = self._counted(rates)
        self._looks += 1
        lines = [get("/v1/log", [("event", event), ("limit", str(FAILURES))])["lines"] for event in FAILING]
        failures = sorted((line for some in lines for line in some), key=lambda line: -line["number"])[:FAILURES]
        return Facts(
            rates=rates,
            sites=tuple(sites),
            failures=tuple(line["facts"] for line in failures),
            paused=tuple(get("/v1/pauses")["reasons"]),
            queued=self._queued,
            leading=dict(self._leading),
        )

    def _counted(self, rates: dict[str, Any]) -> dict[str, int] | None:
        if sum(rates["now"]["queue"].values()) > MOST_COUNTED:
            return None
        found = self._client.get("/v1/queue/stats")["destinations"]
        return {name: group["messages"] for name, group in found.items()}

    def retry(self, key: str) -> str:
        """Have tried now what waits for a site; what to say of it."""
        try:
            count = self._client.post("/v1/sites/retry", {"key": key})["count"]
        except (NotRunning, Refused) as error:
            return str(error)
        return f"{count} tried now at {key}"


FAILING = ("deferred", "failed", "expired")


class Show:
    """The picture on a terminal, until somebody ends it."""

    def __init__(self, watch: Watch, console: Console, interval: float, blocks: str) -> None:
        self._watch = watch
        self._console = console
        self._interval = interval
        self._blocks = blocks
        self._clock = SystemClock()
        self._state = State()

    def run(self, facts: Facts) -> int:
        """The exit code."""
        try:
            with Keyboard() as keyboard, self._console.screen(hide_cursor=True) as screen:
                return self._watching(facts, keyboard, screen)
        except KeyboardInterrupt:
            return INTERRUPTED

    def _watching(self, facts: Facts, keyboard: Keyboard, screen: ScreenContext) -> int:
        due = self._clock.monotonic() + self._interval
        while True:
            self._draw(facts, screen)
            for key in keyboard.read(due - self._clock.monotonic()):
                if key == CLOSED:
                    return 0
                if key == STOPPED:
                    self._stop(keyboard)
                elif key != RESIZED:
                    self._state, wanted = pressed(self._state, key, top_layout.keys(facts, self._state))
                    if wanted == QUIT:
                        return 0
                    if wanted == RETRY:
                        self._state = replace(self._state, note=self._watch.retry(self._state.picked))
                    if wanted in (LOOK, RETRY):
                        due = self._clock.monotonic()
            if self._clock.monotonic() >= due:
                facts = facts if self._state.is_paused else self._looked(facts)
                due = self._clock.monotonic() + self._interval

    def _looked(self, facts: Facts) -> Facts:
        """New ones; the last ones as long as nobody answers."""
        try:
            facts = self._watch.look()
        except (NotRunning, Refused) as error:
            self._state = replace(self._state, absent=str(error))
        else:
            self._state = replace(self._state, absent="")
        return facts

    def _draw(self, facts: Facts, screen: ScreenContext) -> None:
        width, height = self._console.size
        drawn = top_layout.lines(facts, self._state, width, height, self._blocks)
        self._console.control(Control.home())  # or the last picture would have to scroll away to the last line
        screen.update(Group(*(drawn or [Text("")])))

    def _stop(self, keyboard: Keyboard) -> None:
        """Ctrl-Z: the shell gets its terminal, and we get ours when it lets us go on."""
        self._console.set_alt_screen(False)
        self._console.show_cursor(True)
        keyboard.give_back()
        keyboard.stop()
        keyboard.take()
        self._console.set_alt_screen(True)
        self._console.show_cursor(False)
