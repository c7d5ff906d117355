"""Many messages, two exchangers, and a fault in every other connection and transaction, until everybody is settled:
0 lost, 0 bounced falsely, and nobody has it twice who was not at the dot of a session that broke off.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable

import pytest

from asyncmta.mail.envelope import Consignment
from asyncmta.mail.outcome import Deferred, Delivered, Failed, Outcome, Postponed
from tests.faults.faulty_server import PROPER, FaultyServer, Manner
from tests.faults.words import Fault, Step, act
from tests.unit.delivery.conftest import Post

MESSAGES = 200
MOST_PASSES = 60
# What depends on when octets arrive (replies too many) and what has a scene of its own is left out.
FAULTS = [
    fault
    for fault in Fault
    if fault
    not in {Fault.EXTRA, Fault.EXTRA_5, Fault.DEAF, Fault.DRIP, Fault.OUR_NAME}
    | {Fault.REFUSED, Fault.NO_ANSWER, Fault.UNREACHABLE}
]
STEPS = [Step.GREETING, Step.EHLO, Step.RSET, Step.MAIL, Step.RCPT_1, Step.RCPT_2, Step.RCPT_3, Step.DATA, Step.DOT]
FOR_GOOD = {Fault.CODE_5, Fault.CODE_521, Fault.HOSTILE_REFUSAL, Fault.BARE_REFUSAL, Fault.EIGHT_BIT_REFUSAL}
FOR_GOOD |= {Fault.CODE_552, Fault.CODE_530}
WAYS: list[tuple[str, ...]] = [("PIPELINING",), (), ("PIPELINING", "CHUNKING")]


class Whims:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.count: Counter[Fault] = Counter()

    def __call__(self) -> Manner:
        chance = self._random
        manner = Manner(extensions=chance.choice(WAYS))
        if chance.random() > 0.5:
            return manner
        step, fault = chance.choice(STEPS), chance.choice(FAULTS)
        if step is Step.MAIL and fault in FOR_GOOD:  # for whom that is, the server is not yet told
            return manner
        self.count[fault] += 1
        return Manner(extensions=manner.extensions, act=act(fault, PROPER[step]), at=step)


class Ledger:
    """What was said of each recipient, over all passes."""

    def __init__(self, post: Post, servers: list[FaultyServer]) -> None:
        self._post = post
        self._servers = servers
        self.settled: dict[str, Outcome] = {}
        self.unknown: Counter[str] = Counter()
        """How often the content was out and its reply did not come."""

    async def pass_(self, consignments: list[Consignment]) -> list[list[str]]:
        """One attempt for each; returns who is left of each."""
        post = self._post
        for consignment in consignments:
            post.transport.deliver([consignment], post.results)
        quiet = 0
        async with asyncio.timeout(60):
            while not all(consignment in post.results.of for consignment in consignments):
                await post.clock.settle(10)
                await asyncio.sleep(0.001)
                quiet = quiet + 1 if any(server.account.waiting for server in self._servers) else 0
                if quiet > 5:
                    quiet = 0
                    post.clock.advance(31)
        return [left for left in map(self._enter, consignments) if left]

    def _enter(self, consignment: Consignment) -> list[str]:
        result = self._post.results.of[consignment]
        left: list[str] = []
        for ordinal in consignment.ordinals:
            name = str(consignment.envelope.recipients[ordinal].address)
            outcome = None if isinstance(result, Postponed) else result[ordinal]
            if outcome is None or isinstance(outcome, Deferred):
                left.append(name)
                self.unknown[name] += outcome is not None and "(the end of DATA)" in outcome.reply.text
            else:
                self.settled[name] = outcome
        return left


@pytest.mark.parametrize("seed", range(6))
async def test_the_accounts_close(make_post: Callable[..., Post], seed: int) -> None:
    whims = Whims(seed)
    async with FaultyServer(whim=whims) as first, FaultyServer("127.0.0.2", first.port, whim=whims) as second:
        post = make_post(port=first.port)
        post.resolver.set("example.net", {"MX": [(10, "mx1.example.net"), (20, "mx2.example.net")]})
        post.resolver.set("mx1.example.net", {"A": ["127.0.0.1"]})
        post.resolver.set("mx2.example.net", {"A": ["127.0.0.2"]})
        ledger = Ledger(post, [first, second])
        waiting = [[f"{name}{n}@example.net" for name in "abc"] for n in range(MESSAGES)]
        everybody = [name for names in waiting for name in names]
        for _ in range(MOST_PASSES):
            if not waiting:
                break
            post.transport.resume(None)
            waiting = await ledger.pass_([post.message(*names)[0] for names in waiting])
            post.clock.advance(1000)
            await post.clock.settle()
        assert waiting == []
        for name in everybody:
            copies = first.account.copies(name) + second.account.copies(name)
            outcome = ledger.settled[name]
            if isinstance(outcome, Delivered):
                assert 1 <= copies <= 1 + ledger.unknown[name], name
            else:
                assert isinstance(outcome, Failed)
                assert name in first.account.refused | second.account.refused
                assert copies <= ledger.unknown[name], name
        assert sum(whims.count.values()) > 100
        assert not post.log.bugs
