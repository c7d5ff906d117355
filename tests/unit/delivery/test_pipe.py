"""Commands that take mail, with real processes."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from asyncmta.delivery.pipe import PipeSettings, PipeTransport
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Consignment, Content, ContentUnavailable, Envelope, QueueId, Recipient
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Postponed
from asyncmta.mail.wire import stuff
from asyncmta.routing import Pipe
from asyncmta.testing.clock import FakeClock

CONTENT = b"Subject: hi\r\n\r\n.dot\r\nHello\r\n"


class Commands:
    """A pipe transport; `route` is where its destination leads."""

    def __init__(self, results: Any, log: Any) -> None:
        self.clock = FakeClock()
        self.results, self.log = results, log
        self.content: Any = (stuff(CONTENT),)
        self.route = Pipe(("/bin/true",))
        self.routes: dict[str, Pipe] = {}
        self._minted = 0
        self.use(PipeSettings(processes=2, timeout=60.0))

    def use(self, settings: PipeSettings) -> None:
        self.transport = PipeTransport(
            clock=self.clock,
            read_content=lambda queue_id: self.content,
            route_of=lambda destination: self.routes.get(destination, self.route),
            settings=settings,
            maillog=self.log,
        )

    def send(self, *recipients: str | Recipient, **facts: Any) -> Consignment:
        consignment = self.consignment(*recipients, **facts)
        self.transport.deliver([consignment], self.results)
        return consignment

    def consignment(
        self, *recipients: str | Recipient, sender: str = "sender@example.org", to: str = "pipe:0", body: str = "7BIT"
    ) -> Consignment:
        self._minted += 1
        parsed = tuple(Recipient(parse_address(one)) if isinstance(one, str) else one for one in recipients)
        parsed = parsed or (Recipient(parse_address("alice@example.net")),)
        envelope = Envelope(parse_address(sender) if sender else None, parsed, body)
        content = Content(len(CONTENT), b"", True, len(CONTENT) + 1)
        return Consignment(QueueId(self._minted), to, envelope, tuple(range(len(parsed))), content, 0.0)

    def running(self) -> int:
        """How many runs have just begun."""
        whole = self.clock.monotonic() + 60.0
        return sum(timer.is_set and when == whole for when, _, timer in self.clock._timers)

    async def sent(self, *recipients: str | Recipient, **facts: Any) -> Any:
        before = len(self.results.of)
        consignment = self.send(*recipients, **facts)
        await self.results.wait_for(before + 1)
        return self.results.outcome(consignment)


@pytest.fixture
async def commands(results: Any, log: Any) -> AsyncIterator[Commands]:
    commands = Commands(results, log)
    yield commands
    await commands.transport.close()


def script(*lines: str) -> tuple[str, ...]:
    """For the tests alone: what is said of shells is said of the settings."""
    return ("/bin/sh", "-c", "\n".join(lines), "sh")


async def test_the_content_arrives_on_standard_input(commands: Commands, tmp_path: Path) -> None:
    commands.route = Pipe((*script('cat > "$1"'), str(tmp_path / "got")))
    outcome = await commands.sent()
    assert isinstance(outcome, Delivered)
    assert outcome.place.host == ""
    assert (tmp_path / "got").read_bytes() == CONTENT.replace(b"\r\n", b"\n")
    (line,) = commands.log.attempts
    assert (line["destination"], line["recipients"]) == ("pipe:0", 1)


async def test_with_crlf_it_arrives_as_it_was_sent(commands: Commands, tmp_path: Path) -> None:
    commands.route = Pipe((*script('cat > "$1"'), str(tmp_path / "got")), line_end="crlf")
    assert isinstance(await commands.sent(), Delivered)
    assert (tmp_path / "got").read_bytes() == CONTENT
    commands.content = (b".\r\n\n.\r.",)
    assert isinstance(await commands.sent(body="BINARYMIME"), Delivered)
    assert (tmp_path / "got").read_bytes() == b".\r\n\n.\r."


async def test_content_that_is_read_from_the_disk_is_streamed(commands: Commands, tmp_path: Path) -> None:
    size = 3_000_000
    closed = []

    async def chunks() -> AsyncIterator[bytes]:
        try:
            for _ in range(size // 60_000):
                yield b"x" * 59_998 + b"\r\n"
                await asyncio.sleep(0)
        finally:
            closed.append(True)

    for number, line_end in enumerate(("lf", "crlf")):
        commands.content = chunks()
        commands.route = Pipe(script("wc -c"), line_end=line_end)
        outcome = await commands.sent()
        assert outcome.reply.text.endswith(f": {size - (0 if number else size // 60_000)}")
    assert closed == [True, True]


async def test_arguments_and_environment_are_all_that_it_is_given(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASYNCMTA_ROUTE__0__PASSWORD", "hush")
    file = str(tmp_path / "env")
    program = f'import json, os, sys; json.dump([sys.argv[1:], dict(os.environ)], open("{file}", "w"))'
    commands.route = Pipe(("/usr/bin/env", "python3", "-c", program, "{recipient}", "{sender}"))
    recipient = Recipient(parse_address('"a; b"@Example.NET'), orcpt="rfc822;a@b.example")
    assert isinstance(await commands.sent(recipient, sender=""), Delivered)
    arguments, environment = __import__("json").loads(Path(file).read_text())
    assert arguments == ['"a; b"@Example.NET', ""]
    environment.pop("LC_CTYPE", None)  # Python's own
    assert environment == {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "SENDER": "",
        "RECIPIENT": '"a; b"@Example.NET',
        "LOCAL_PART": "a; b",
        "DOMAIN": "example.net",
        "ORIGINAL_RECIPIENT": "rfc822;a@b.example",
        "QUEUE_ID": "0000000000000001",
    }


async def test_a_run_for_each_recipient(commands: Commands, results: Any) -> None:
    commands.route = Pipe((*script('test "$1" != bob || { echo no bob here; exit 67; }'), "{local_part}"))
    consignment = commands.send("alice@a.example", "bob@a.example", "carol@a.example")
    await results.wait_for(1)
    outcomes = [results.outcome(consignment, ordinal) for ordinal in range(3)]
    assert [type(outcome) for outcome in outcomes] == [Delivered, Failed, Delivered]
    assert str(outcomes[1].reply) == "550 5.1.1 the command refused: no bob here"


async def test_a_run_for_the_message(commands: Commands, results: Any, log: Any) -> None:
    commands.route = Pipe((*script('echo "$#" $RECIPIENT'), "{recipient}"), per="message")
    consignment = commands.send(*(f"r{number}@a.example" for number in range(150)))
    await results.wait_for(1)
    said = [results.outcome(consignment, ordinal).reply.text for ordinal in (0, 99, 100, 149)]
    assert said == ["delivered to a command: 100"] * 2 + ["delivered to a command: 50"] * 2
    assert sorted(line["recipients"] for line in log.attempts) == [50, 100]


async def test_a_command_that_does_not_read_and_is_content_is_content(commands: Commands) -> None:
    commands.content = (b"x" * 998 + b"\r\n",) * 2000
    assert isinstance(await commands.sent(), Delivered)
    commands.route = Pipe(("/bin/false",))
    assert isinstance(await commands.sent(), Deferred)
    commands.route = Pipe(script("exec 0<&-", "sleep 0.05", "exit 69"))
    assert isinstance(await commands.sent(), Failed)


async def test_death_by_a_signal_defers(commands: Commands) -> None:
    commands.route = Pipe(script("kill -SEGV $$"))
    outcome = await commands.sent()
    assert isinstance(outcome, Deferred)
    assert outcome.reply.text.endswith("ended by signal 11")


async def test_a_command_that_is_not_there(commands: Commands, tmp_path: Path) -> None:
    commands.route = Pipe((str(tmp_path / "none"),))
    outcome = await commands.sent()
    assert isinstance(outcome, Deferred)
    assert outcome.reply.text == "the command could not be run: No such file or directory"
    (tmp_path / "none").write_text("x")
    assert "Permission denied" in (await commands.sent()).reply.text


async def test_an_address_that_would_be_an_option_is_refused(commands: Commands) -> None:
    commands.route = Pipe(("/bin/echo", "{recipient}"))
    outcome = await commands.sent("-n@example.net")
    assert isinstance(outcome, Failed)
    assert outcome.cause is Cause.POLICY


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def numbers(file: Path, until: Callable[..., Any]) -> list[int]:
    await until(lambda: file.exists() and file.read_text().endswith("\n"))
    return [int(number) for number in file.read_text().split()]


@pytest.mark.parametrize("reads", [True, False])
async def test_too_long_is_killed_with_all_that_it_started(
    commands: Commands, results: Any, until: Any, tmp_path: Path, reads: bool
) -> None:
    file = tmp_path / "pids"
    commands.content = (b"x" * 998 + b"\r\n",) * 1000
    command = script("cat > /dev/null" if reads else "", "trap '' TERM", "sleep 1000 &", 'echo $$ $! > "$1"', "wait")
    commands.route = Pipe((*command, str(file)))
    consignment = commands.send()
    pids = await numbers(file, until)
    await until(commands.running)
    assert all(map(alive, pids))
    commands.clock.advance(60.0)
    await results.wait_for(1)
    outcome = results.outcome(consignment)
    assert isinstance(outcome, Deferred)
    assert (outcome.cause, outcome.reply.text) == (Cause.TIMEOUT, "the command took longer than 60 s")
    await until(lambda: not any(map(alive, pids)))


async def test_endless_output_is_read_and_dropped(commands: Commands) -> None:
    commands.route = Pipe(script("head -c 5000000 /dev/zero", "echo; echo the end; exit 75"))
    outcome = await commands.sent()
    assert isinstance(outcome, Deferred)
    assert "the end" not in outcome.reply.text


async def test_nobody_waits_for_what_it_leaves_behind(
    commands: Commands, results: Any, until: Any, tmp_path: Path
) -> None:
    file = tmp_path / "pids"
    commands.route = Pipe((*script("sleep 1000 &", 'echo $! > "$1"'), str(file)))
    consignment = commands.send()
    (pid,) = await numbers(file, until)
    try:
        await until(lambda: commands.clock.next_timer() == commands.clock.monotonic() + 1.0)
        commands.clock.advance(1.0)
        await results.wait_for(1)
        assert isinstance(results.outcome(consignment), Delivered)
        assert alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


async def test_damaged_content_is_never_taken_for_whole(commands: Commands, until: Any, tmp_path: Path) -> None:
    async def damaged() -> AsyncIterator[bytes]:
        yield b"Subject: hi\r\n\r\n" + b"x\r\n" * 1000
        await until((tmp_path / "began").exists)
        raise ContentUnavailable("its digest differs")

    commands.content = damaged()
    commands.route = Pipe((*script('touch "$1/began"', 'cat > "$1/got"', 'touch "$1/whole"'), str(tmp_path)))
    outcome = await commands.sent()
    assert isinstance(outcome, Deferred)
    assert "its digest differs" in outcome.reply.text
    assert not (tmp_path / "whole").exists()


async def test_so_many_at_once_and_a_slow_one_holds_up_no_other(
    commands: Commands, results: Any, until: Any, tmp_path: Path
) -> None:
    commands.routes["pipe:1"] = Pipe((*script('touch "$1/$$"', "exec sleep 1000"), str(tmp_path)))
    for _ in range(5):
        commands.send(to="pipe:1")
    await until(lambda: commands.running() == len(list(tmp_path.iterdir())) == 2)
    assert isinstance(await commands.sent(), Delivered)
    assert len(list(tmp_path.iterdir())) == 2
    commands.clock.advance(60.0)
    await until(lambda: len(list(tmp_path.iterdir())) == 4 and commands.running() == 2)
    commands.clock.advance(60.0)
    await until(lambda: len(list(tmp_path.iterdir())) == 5 and commands.running() == 1)
    commands.clock.advance(60.0)
    await results.wait_for(6)
    assert results.kinds() == "DEEEEE"
    await until(lambda: not any(Path("/proc", each.name).exists() for each in tmp_path.iterdir()))  # nor any zombie


async def test_a_stop_kills_and_gives_back(commands: Commands, results: Any, until: Any, tmp_path: Path) -> None:
    file = tmp_path / "pids"
    command = script('test "$2" != bob || { echo $$ >> "$1"; exec sleep 1000; }')  # one or both of them by then
    commands.route = Pipe((*command, str(file), "{local_part}"))
    partly = commands.send("alice@a.example", "bob@a.example", "bob@b.example", "carol@a.example")
    await until(lambda: len(commands.log.attempts) == 1)
    pids = await numbers(file, until)
    waiting = commands.send("dave@a.example")
    await commands.transport.close()
    assert [type(results.outcome(partly, at)) for at in range(4)] == [Delivered, Deferred, Deferred, Deferred]
    assert isinstance(results.of[waiting], Postponed)
    await until(lambda: not any(map(alive, pids)))


async def test_a_bug_defers_and_ends_nothing(commands: Commands, log: Any) -> None:
    commands.content = object()
    outcome = await commands.sent()
    assert outcome.cause is Cause.INTERNAL
    assert isinstance(log.bugs[0], TypeError)
    commands.content = (CONTENT,)
    assert isinstance(await commands.sent(), Delivered)


async def test_a_bug_of_whoever_is_told_ends_nothing(commands: Commands, log: Any, results: Any, until: Any) -> None:
    def breaks(*_: Any) -> None:
        raise ZeroDivisionError

    commands.transport.deliver([commands.consignment()], breaks)
    await until(lambda: log.bugs)
    assert isinstance(log.bugs[0], ZeroDivisionError)
    assert isinstance(await commands.sent(), Delivered)


def test_on_the_loop_that_serves(results: Any, log: Any, tmp_path: Path) -> None:
    """A command gets its three pipes there too, and neither ours nor those of the others that run."""

    async def deliver() -> None:
        commands = Commands(results, log)
        results._came = asyncio.Event()
        commands.content = (stuff(CONTENT), *((b"x" * 998 + b"\r\n",) * 1000))
        commands.route = Pipe((*script('cat > "$1"', "head -c 1000000 /dev/zero", "exit 67"), str(tmp_path / "got")))
        assert isinstance(await commands.sent(), Failed)
        commands.route = Pipe(script("exit 3"))
        assert isinstance(await commands.sent(), Deferred)
        commands.route = Pipe(("/none",))
        assert "No such file" in (await commands.sent()).reply.text
        commands.route = Pipe(script("sleep 0.05", "echo /proc/self/fd/*; kill -KILL $$"))
        sent = [commands.send() for _ in range(6)]
        await results.wait_for(9)
        for consignment in sent:
            assert re.search(
                r": /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2( /proc/self/fd/[3-9])?$", text(consignment)
            )
        await commands.transport.close()

    def text(consignment: Consignment) -> str:
        outcome = results.outcome(consignment)
        assert isinstance(outcome, Deferred)
        return outcome.reply.text

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(deliver())
    assert (tmp_path / "got").stat().st_size == len(CONTENT.replace(b"\r\n", b"\n")) + 999_000


async def test_where_the_system_has_no_pidfd_a_thread_waits(
    commands: Commands, results: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(pid: int) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "pidfd_open", refuse)
    commands.route = Pipe(script("cat > /dev/null; exit 67"))
    assert isinstance(await commands.sent(), Failed)
    commands.route = Pipe(script("exec sleep 1000"))
    consignment = commands.send()
    await until(commands.running)
    commands.clock.advance(60.0)
    await results.wait_for(2)
    assert results.outcome(consignment).cause is Cause.TIMEOUT


async def test_the_last_octets_of_binary_content_are_not_kept_back(commands: Commands, tmp_path: Path) -> None:
    commands.content = (b"Subject: hi\r\n\r",)
    commands.route = Pipe((*script('cat > "$1"'), str(tmp_path / "got")))
    assert isinstance(await commands.sent(body="BINARYMIME"), Delivered)
    assert (tmp_path / "got").read_bytes() == b"Subject: hi\n\r"
