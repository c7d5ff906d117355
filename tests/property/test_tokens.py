"""Access tokens: whatever is answered, and whatever happens in whatever order."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from asyncmta.credentials import Grant
from asyncmta.delivery.logging_in import NoToken
from asyncmta.delivery.mechanisms import Secret, answer, first_words
from asyncmta.delivery.token_answers import NewToken, of_endpoint, of_text, without_secrets
from asyncmta.delivery.tokens import Tokens
from asyncmta.testing.clock import FakeClock

GRANT = Grant(url="https://id.example/t", client_id="we", client_secret="q-secret-q", refresh_token="q-refresh-q")
PLAIN = re.compile(r"[!-~]+")

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("Bearer")
answers = st.dictionaries(
    st.sampled_from(["access_token", "token_type", "expires_in", "refresh_token", "error", "error_description"]),
    leaves | st.lists(leaves, max_size=2),
)


def as_json(value: Any) -> bytes:
    import json

    return json.dumps(value).encode()


@given(st.integers(100, 599), st.binary() | answers.map(as_json))
def test_whatever_is_answered(status: int, body: bytes) -> None:
    for found in (of_endpoint(status, body, GRANT), of_text(body)):
        if isinstance(found, NewToken):
            assert PLAIN.fullmatch(found.token)
            assert found.lifetime is None or found.lifetime > 0
        else:
            assert found.isprintable()


@given(st.lists(st.sampled_from(["q-secret-q", "q-refresh-q", "q-", "\n", "x" * 50]) | st.text(max_size=5)))
def test_no_secret_is_ever_said(parts: list[str]) -> None:
    said = without_secrets("".join(parts), GRANT)
    assert "q-secret-q" not in said
    assert "q-refresh-q" not in said
    assert said.isprintable()
    assert len(said) <= 200


@given(st.sampled_from(["plain", "login", "cram-md5", "xoauth2", "oauthbearer"]), st.text(), st.text(), st.binary())
def test_no_challenge_is_a_surprise(mechanism: str, name: str, value: str, challenge: bytes) -> None:
    secret = Secret(name.encode("utf-8", "replace").decode(), value.encode("utf-8", "replace").decode())
    assert isinstance(first_words(mechanism, secret), bytes | None)
    assert isinstance(answer(mechanism, secret, challenge), bytes | None)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.floats(0.0, 2000.0)),
        st.tuples(st.sampled_from(["current", "refused", "accepted", "down", "up", "slow", "fast"]), st.just(0.0)),
    ),
    max_size=30,
)


@settings(max_examples=200)
@given(steps, st.sampled_from([None, 1.0, 60.0, 3600.0]))
@example([("current", 0.0), ("refused", 0.0), ("refused", 0.0), ("current", 0.0)], None)
def test_one_renewal_at_a_time_and_no_token_that_is_dead(found: list[tuple[str, float]], life: float | None) -> None:
    asyncio.run(_play(found, life))


class _Authority:
    def __init__(self, clock: FakeClock, life: float | None) -> None:
        self.clock, self.life = clock, life
        self.is_down = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.at_once = 0
        self.given: dict[str, float] = {}

    async def fetch(self, grant: Grant) -> NewToken:
        self.at_once += 1
        assert self.at_once == 1
        try:
            await self.gate.wait()
            if self.is_down:
                raise NoToken("down")
            token = f"t{len(self.given) + 1}"
            self.given[token] = self.clock.monotonic() + (self.life or 1e9)
            return NewToken(token, self.life)
        finally:
            self.at_once -= 1


async def _play(found: list[tuple[str, float]], life: float | None) -> None:
    clock = FakeClock()
    authority = _Authority(clock, life)
    tokens = Tokens(clock=clock, fetch=authority.fetch, note=lambda *_, **__: None)
    token = tokens.of(GRANT)
    last = "none"
    refused: set[str] = set()
    for step, seconds in found:
        match step:
            case "wait":
                clock.advance(seconds)
            case "down" | "up":
                authority.is_down = step == "down"
            case "slow":
                authority.gate.clear()
            case "fast":
                authority.gate.set()
            case "accepted":
                token.accepted(last)
            case "current" | "refused":
                asked = token.current() if step == "current" else token.renewed(last)
                task = asyncio.ensure_future(asked)
                await clock.settle(10)
                if step == "refused":
                    refused.add(last)
                if not task.done():
                    clock.advance(30.0)  # nobody waits longer than that
                    await clock.settle(10)
                try:
                    last = await task
                    assert authority.given[last] > clock.monotonic()
                    assert last not in refused
                except NoToken:
                    pass
        await clock.settle(5)
    await tokens.close()
