"""Access tokens: what givers of tokens say, and how one token follows another."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from asyncmta.credentials import Grant
from asyncmta.delivery.logging_in import NoToken
from asyncmta.delivery.token_answers import NewToken, form_of, of_endpoint, of_text, without_secrets
from asyncmta.delivery.token_sources import TokenSources
from asyncmta.delivery.tokens import BETWEEN_REFUSED, FETCH_TIME, TokenOfGrant, Tokens
from asyncmta.testing.clock import FakeClock

GRANT = Grant(url="https://id.example/token", client_id="we", client_secret="hush", refresh_token="r1")

# -- what is said ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"access_token":"t","token_type":"bearer","expires_in":3600}', NewToken("t", 3600.0)),
        (b'{"access_token":"t","expires_in":"3599","refresh_token":"r2"}', NewToken("t", 3599.0, "r2")),
        (b'{"access_token":"t","expires_in":59.5,"refresh_token":7}', NewToken("t", 59.5)),
        (b'{"access_token":"t","expires_in":1e300}', NewToken("t", 366 * 86400.0)),
        (b'{"access_token":"t","expires_in":true}', NewToken("t")),
        (b'{"access_token":"t","expires_in":"soon"}', NewToken("t")),
        (b'{"access_token":"t"}', NewToken("t")),
        (b'{"access_token":"t","expires_in":0}', "the token has expired already"),
        (b'{"access_token":"t","token_type":"mac"}', "the token is of another type than Bearer"),
        (b'{"access_token":"t","token_type":7}', "the token is of another type than Bearer"),
        (b'{"access_token":"t\\r\\nRSET"}', "there is no access token in it"),
        (b'{"access_token":"a b"}', "there is no access token in it"),
        (b'{"access_token":""}', "there is no access token in it"),
        (b'{"access_token":null}', "there is no access token in it"),
        (b"{}", "there is no access token in it"),
        (b"[]", "the answer is 200, and no JSON object"),
        (b"\xff<html>", "the answer is 200, and no JSON object"),
    ],
)
def test_what_an_endpoint_answers(body: bytes, expected: NewToken | str) -> None:
    assert of_endpoint(200, body, GRANT) == expected


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (
            400,
            b'{"error":"invalid_grant","error_description":"r1 is revoked"}',
            "400: invalid_grant ******** is revoked",
        ),
        (401, b'{"error":"invalid_client"}', "401: invalid_client"),
        (500, b"{}", "500"),
        (302, b"", "302, and no JSON object"),
        (400, b'{"error":"a\\nb"}', "400: a?b"),
    ],
)
def test_what_an_endpoint_refuses(status: int, body: bytes, expected: str) -> None:
    assert of_endpoint(status, body, GRANT) == f"the answer is {expected}"


def test_what_a_file_or_a_command_says() -> None:
    assert of_text(b"  ya29.abc\n") == NewToken("ya29.abc")
    assert of_text(b'{"access_token":"t","expires_in":60}') == NewToken("t", 60.0)
    for nothing in (b"", b"\n", b"two words", b"one\ntwo", b"\xff"):
        assert of_text(nothing) == "there is no access token in it"


def test_secrets_do_not_come_out() -> None:
    assert without_secrets("x" * 500, GRANT) == "x" * 200
    assert without_secrets("r1 and hush", GRANT) == "******** and ********"
    assert without_secrets("all", Grant()) == "all"
    assert "t0p" not in repr(NewToken("t0p", 1.0, "t0p"))


def test_what_is_posted() -> None:
    assert form_of(GRANT) == {
        "grant_type": "refresh_token",
        "refresh_token": "r1",
        "client_id": "we",
        "client_secret": "hush",
    }
    assert form_of(Grant(refresh_token="r", client_id="c", scope="mail"))["scope"] == "mail"


# -- one after another -------------------------------------------------------------------------------------------------


class Giver:
    """Gives what is in `next`, when `gate` is open."""

    def __init__(self) -> None:
        self.next: list[NewToken | Exception] = []
        self.asked: list[Grant] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self, grant: Grant) -> NewToken:
        self.asked.append(grant)
        await self.gate.wait()
        found = self.next.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


class Well:
    """A token, its giver, its clock, and what was said."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.giver = Giver()
        self.notes: list[tuple[str, dict[str, object]]] = []
        self.tokens = Tokens(clock=self.clock, fetch=self.giver.fetch, note=self._note)

    def _note(self, level: str, event: str, **facts: object) -> None:
        assert "hush" not in str(facts)
        self.notes.append((event, facts))

    @property
    def token(self) -> TokenOfGrant:
        return self.tokens.of(GRANT)

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.notes]

    def give(self, *given: NewToken | Exception) -> None:
        self.giver.next += given


@pytest.fixture
async def well() -> AsyncIterator[Well]:
    made = Well()
    yield made
    await made.tokens.close()


async def test_a_token_is_fetched_once_and_used(well: Well) -> None:
    well.give(NewToken("t1", 3600.0))
    assert await well.token.current() == "t1"
    well.clock.advance(3290.0)
    assert await well.token.current() == "t1"
    assert well.giver.asked == [GRANT]
    assert well.notes == [("token_renewed", {"grant": GRANT.url, "lifetime": 3600.0})]


async def test_it_is_renewed_before_it_expires_and_used_meanwhile(well: Well) -> None:
    well.give(NewToken("t1", 3600.0), NewToken("t2", 3600.0))
    await well.token.current()
    well.clock.advance(3301.0)
    well.giver.gate.clear()
    assert await well.token.current() == "t1"
    assert await well.token.current() == "t1"
    await well.clock.settle()
    assert len(well.giver.asked) == 2  # one is enough
    well.giver.gate.set()
    await well.clock.settle()
    assert await well.token.current() == "t2"


async def test_a_short_life_is_renewed_at_two_thirds(well: Well) -> None:
    well.give(NewToken("t1", 60.0), NewToken("t2", 60.0))
    await well.token.current()
    well.clock.advance(39.0)
    await well.token.current()
    assert len(well.giver.asked) == 1
    well.clock.advance(2.0)
    assert await well.token.current() == "t1"
    await well.clock.settle()
    assert await well.token.current() == "t2"


async def test_many_who_have_none_wait_for_one(well: Well) -> None:
    well.give(NewToken("t1", 3600.0))
    well.giver.gate.clear()
    waiting = [asyncio.create_task(well.token.current()) for _ in range(5)]
    await well.clock.settle()
    waiting[0].cancel()  # who asked first goes away, and what is fetched is for the others still
    await well.clock.settle()
    well.giver.gate.set()
    assert await asyncio.gather(*waiting[1:]) == ["t1"] * 4
    assert len(well.giver.asked) == 1


async def test_a_failure_leaves_the_token_that_works(well: Well) -> None:
    well.give(NewToken("t1", 3600.0), NoToken("503"), NewToken("t2", 3600.0))
    await well.token.current()
    well.clock.advance(3301.0)
    await well.token.current()
    await well.clock.settle()
    assert well.events == ["token_renewed", "token_failed"]
    assert well.notes[1][1] == {"grant": GRANT.url, "reason": "503", "again_in": 5, "works_for": 289}
    assert await well.token.current() == "t1"
    await well.clock.settle()
    assert len(well.giver.asked) == 2  # not yet again
    well.clock.advance(5.0)
    assert await well.token.current() == "t1"
    await well.clock.settle()
    assert await well.token.current() == "t2"


async def test_failures_back_off_and_say_why(well: Well) -> None:
    for wait in (5.0, 10.0, 20.0):
        well.give(NoToken("invalid_grant"))
        with pytest.raises(NoToken, match="invalid_grant"):
            await well.token.current()
        before = len(well.giver.asked)
        well.clock.advance(wait - 1)
        with pytest.raises(NoToken, match="invalid_grant"):
            await well.token.current()
        assert len(well.giver.asked) == before
        well.clock.advance(1.0)
    well.give(*[NoToken("no")] * 12)
    for _ in range(12):
        with pytest.raises(NoToken):
            await well.token.current()
        well.clock.advance(600.0)
    well.give(NewToken("t1"))
    assert await well.token.current() == "t1"


async def test_an_endpoint_that_says_nothing(well: Well) -> None:
    well.giver.gate.clear()
    waiting = asyncio.create_task(well.token.current())
    await well.clock.settle()
    well.clock.advance(FETCH_TIME)
    with pytest.raises(NoToken, match="no answer in 30 seconds"):
        await waiting


async def test_a_bug_is_no_end(well: Well) -> None:
    well.give(ValueError("bug"))
    with pytest.raises(NoToken, match="internal error"):
        await well.token.current()
    assert well.events == ["internal_error", "token_failed"]


async def test_a_stale_token_is_renewed_at_once_for_all(well: Well) -> None:
    well.give(NewToken("t1", 3600.0), NewToken("t2", 3600.0))
    await well.token.current()
    well.token.accepted("t1")
    assert await asyncio.gather(*(well.token.renewed("t1") for _ in range(4))) == ["t2"] * 4
    assert await well.token.renewed("t1") == "t2"
    assert len(well.giver.asked) == 2


async def test_a_token_that_was_never_good_is_renewed_once_a_minute(well: Well) -> None:
    well.give(NewToken("t1", 3600.0), NewToken("t2", 3600.0), NewToken("t3", 3600.0))
    await well.token.current()
    assert await well.token.renewed("t1") == "t2"
    well.token.accepted("t1")  # late news of another
    with pytest.raises(NoToken, match="refuses the token"):
        await well.token.renewed("t2")
    well.clock.advance(BETWEEN_REFUSED)
    assert await well.token.renewed("t2") == "t3"


async def test_a_giver_that_has_no_other(well: Well) -> None:
    well.give(NewToken("t1"), NewToken("t1"), NoToken("closed"))
    await well.token.current()
    well.token.accepted("t1")
    with pytest.raises(NoToken, match="given no other"):
        await well.token.renewed("t1")
    well.clock.advance(BETWEEN_REFUSED)
    with pytest.raises(NoToken, match="closed"):
        await well.token.renewed("t1")


async def test_a_new_refresh_token_takes_the_place_of_the_old(well: Well) -> None:
    well.give(NewToken("t1", 60.0, "r2"), NewToken("t2", 60.0, "r2"))
    await well.token.current()
    well.clock.advance(60.0)
    assert await well.token.current() == "t2"
    assert [grant.refresh_token for grant in well.giver.asked] == ["r1", "r2"]
    assert well.events == ["refresh_token_changed", "token_renewed", "token_renewed"]


async def test_each_grant_has_its_own(well: Well) -> None:
    assert well.tokens.of(GRANT) is well.token
    assert well.tokens.of(Grant(file="f")) is not well.token


async def test_closing_ends_what_is_under_way(well: Well) -> None:
    well.giver.gate.clear()
    waiting = asyncio.create_task(well.token.current())
    await well.clock.settle()
    await well.tokens.close()
    with pytest.raises(NoToken):
        await waiting


# -- where they come from ----------------------------------------------------------------------------------------------


def script(path: Path, text: str) -> tuple[str, ...]:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return (str(path), "one", "one")


async def test_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    grant = Grant(file=str(file))
    with pytest.raises(NoToken, match="cannot be read: No such file"):
        await TokenSources().fetch(grant)
    file.write_text("t1\n")
    assert await TokenSources().fetch(grant) == NewToken("t1")
    file.write_text("")
    with pytest.raises(NoToken, match="no access token"):
        await TokenSources().fetch(grant)


async def test_a_command(tmp_path: Path) -> None:
    command = script(tmp_path / "give", 'printf \'{"access_token":"%s%s","expires_in":60}\' "$1" "$#"')
    assert await TokenSources().fetch(Grant(command=command)) == NewToken("one2", 60.0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("echo secret; exit 3", "give: ended with 3"), ("exec cat /dev/zero", "give: printed more than 65536 octets")],
)
async def test_a_command_that_fails(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(NoToken, match=reason):
        await TokenSources().fetch(Grant(command=script(tmp_path / "give", text)))


async def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NoToken, match="cannot be run: No such file"):
        await TokenSources().fetch(Grant(command=(str(tmp_path / "none"),)))


async def test_a_command_that_never_ends_is_ended_with_its_children(tmp_path: Path, until: Any) -> None:
    pid = tmp_path / "pid"
    command = script(tmp_path / "give", f"sleep 600 & echo $! > {pid}.new; mv {pid}.new {pid}; wait")
    task = asyncio.create_task(TokenSources().fetch(Grant(command=command)))
    await until(pid.exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    child = int(pid.read_text())
    await until(lambda: not is_running(child))
    assert not is_running(child)


def is_running(pid: int) -> bool:
    """A zombie that nobody has waited for yet is none."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


async def test_an_endpoint_is_asked_for_the_rest() -> None:
    giver = Giver()
    giver.next = [NewToken("t1")]
    assert await TokenSources(giver.fetch).fetch(GRANT) == NewToken("t1")
