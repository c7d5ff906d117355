"""Every row of the fault table, against a real remote transport over loopback sockets, on a clock moved by hand.

Each row is played twice. Alone: the outcomes are those of the table; then the server is mended, and after a second
attempt for whoever was deferred everybody has the message, nobody twice but in the window after the dot. With a second
exchanger that is in good order: it is asked exactly where the table says so.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from asyncmta.mail.outcome import Deferred, Delivered, Outcome
from tests.faults.fault_table import TABLE
from tests.faults.faulty_server import FaultyServer
from tests.faults.opening_table import OPENING
from tests.faults.scene import RECIPIENTS, Scene, full, letters, make_scene
from tests.faults.words import Fault, Kind, Pair
from tests.unit.delivery.conftest import Post


async def _two_servers(stack: AsyncExitStack) -> list[FaultyServer]:
    """On one port of two addresses."""
    while True:
        first = await stack.enter_async_context(FaultyServer())
        try:
            second = await stack.enter_async_context(FaultyServer("127.0.0.2", first.port))
        except OSError:  # somebody else has that port there
            continue
        return [first, second]


def _check_first(pair: Pair, outcomes: dict[str, Outcome]) -> None:
    verdict = pair.verdict
    assert letters(outcomes) == verdict.outcomes, [str(outcome.reply) for outcome in outcomes.values()]
    bad = [outcome for outcome in outcomes.values() if not isinstance(outcome, Delivered)]
    if bad:
        said = f"{bad[0].reply.code} {bad[0].reply.enhanced or ''}".strip()
        assert (bad[0].cause.name, said, bad[0].scope.name) == (verdict.cause, verdict.reply, verdict.scope)
    for outcome in outcomes.values():
        assert str(outcome.reply).isprintable()


def _check_accounts(scene: Scene, *, exact: bool) -> None:
    """0 lost, 0 false bounces, nothing delivered that nobody took; twice only where that cannot be known."""
    pair = scene.pair
    for recipient in RECIPIENTS:
        copies = sum(server.account.copies(recipient) for server in scene.servers)
        outcome = scene.outcomes[recipient]
        if isinstance(outcome, Delivered):
            assert 1 <= copies <= (2 if pair.verdict.may_be_duplicate else 1)
        elif exact or not pair.verdict.may_be_duplicate:
            assert copies == 0
        else:
            assert copies <= 1


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.mark.parametrize("pair", TABLE, ids=[pair.name for pair in TABLE])
async def test_alone(
    pair: Pair, make_post: Callable[..., Post], server_tls: ssl.SSLContext, stack: AsyncExitStack
) -> None:
    server = await stack.enter_async_context(FaultyServer())
    if pair.fault is Fault.NO_ANSWER:
        stack.enter_context(full(server.port))
    scene = await make_scene(pair, make_post, [server], server_tls)
    outcomes = await scene.pass_(*RECIPIENTS, is_large=pair.kind is Kind.STREAMED)
    _check_first(pair, outcomes)
    _check_accounts(scene, exact=False)
    if not pair.verdict.is_used_again and pair.fault is not Fault.DEAF:  # who is deaf never sees it
        await scene.until_closed()
    scene.mend()
    connections = server.account.connections
    left = [name for name, outcome in outcomes.items() if isinstance(outcome, Deferred)]
    scene.post.transport.resume(None)
    await scene.pass_(*(left or ["last@example.net"]))
    assert (server.account.connections == connections) is pair.verdict.is_used_again
    assert not any(isinstance(outcome, Deferred) for outcome in scene.outcomes.values())
    _check_accounts(scene, exact=True)
    assert not scene.post.log.bugs


# From MAIL on, what goes on to the next exchanger is decided by what was said of whom; see test_next_host.py.
BEFORE_MAIL = [pair for pair in TABLE if pair in OPENING]


@pytest.mark.parametrize("pair", BEFORE_MAIL, ids=[pair.name for pair in BEFORE_MAIL])
async def test_beside_another(
    pair: Pair, make_post: Callable[..., Post], server_tls: ssl.SSLContext, stack: AsyncExitStack
) -> None:
    servers = await _two_servers(stack)
    if pair.fault is Fault.NO_ANSWER:
        stack.enter_context(full(servers[0].port))
    scene = await make_scene(pair, make_post, servers, server_tls)
    outcomes = await scene.pass_(*RECIPIENTS, is_large=pair.kind is Kind.STREAMED)
    assert bool(servers[1].account.connections) is pair.verdict.next_host
    assert letters(outcomes) == ("DDD" if pair.verdict.next_host else pair.verdict.outcomes)
    _check_accounts(scene, exact=True)
    assert not scene.post.log.bugs
