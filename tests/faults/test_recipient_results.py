"""Rows M07 and M08 of reliability.md: every mix of results for three recipients, and every end of the content.

4 results of RCPT for each of 3 recipients, 4 ends, 3 ways to send, with servers that give 354 to nobody among them; all
of one kind on one session, which has to be in step to the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import pytest

from asyncmta.mail.outcome import Deferred, Delivered, Failed, Scope
from tests.faults.faulty_server import FaultyServer, Manner
from tests.unit.delivery.conftest import Post

NAMES = ("bob", "eve", "joe")
RESULTS = {
    "taken": b"250 2.1.5 ok",
    "later": b"450 4.2.0 later",
    "never": b"550 5.1.1 nobody",
    "full": b"552 5.2.2 mailbox full",  # which counts as 452: RFC 5321 4.5.3.1.10
}
ENDS = {
    "taken": b"250 2.0.0 taken",
    "later": b"451 4.3.0 later",
    "never": b"554 5.7.1 spam",
    "large": b"552 5.3.4 too large",
}
OF_RCPT = {"later": (Deferred, "450 4.2.0"), "never": (Failed, "550 5.1.1"), "full": (Deferred, "452 4.2.2")}
OF_END = {
    "taken": (Delivered, "250 2.0.0"),
    "later": (Deferred, "451 4.3.0"),
    "never": (Failed, "554 5.7.1"),
    "large": (Failed, "552 5.3.4"),
}
WAYS = {"pipelined": ("PIPELINING",), "lock-step": (), "bdat": ("PIPELINING", "CHUNKING")}


def _mixes() -> Iterator[tuple[str, ...]]:
    return product(RESULTS, repeat=3)


@pytest.mark.parametrize("gives_354_to_nobody", [False, True], ids=["554", "354"])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("way", WAYS)
async def test_each_recipient_has_its_own_result(
    make_post: Callable[..., Post], way: str, end: str, gives_354_to_nobody: bool
) -> None:
    async with FaultyServer() as server:
        post = make_post(port=server.port)
        to = post.smarthost(("127.0.0.1", server.port))
        taken = 0
        for mix in _mixes():
            server.manner = Manner(
                extensions=WAYS[way],
                answers={name: RESULTS[result] for name, result in zip(NAMES, mix, strict=True)} | {"dot": ENDS[end]},
                gives_354_to_nobody=gives_354_to_nobody,
            )
            (consignment,) = post.message(*(f"{name}@example.net" for name in NAMES), to=to)
            post.transport.deliver([consignment], post.results)
            await post.results.wait_for(len(post.results.of) + 1)
            for ordinal, result in enumerate(mix):
                outcome = post.results.outcome(consignment, ordinal)
                expected = OF_END[end] if result == "taken" else OF_RCPT[result]
                assert (type(outcome), f"{outcome.reply.code} {outcome.reply.enhanced}") == expected, mix
                if not isinstance(outcome, Delivered):
                    assert outcome.scope is (Scope.MESSAGE if result == "taken" else Scope.RECIPIENT)
            taken += end == "taken" and "taken" in mix
            assert len(server.account.taken) == taken
            if end == "taken" and "taken" in mix:
                accepted = [f"{name}@example.net" for name, result in zip(NAMES, mix, strict=True) if result == "taken"]
                assert list(server.account.taken[-1].recipients) == accepted
        assert server.account.connections == 1
        if way != "bdat":  # content may be in the write of its commands: then it goes also when nobody wants it
            assert server.account.empty == (27 if way == "pipelined" and gives_354_to_nobody else 0)
        assert not post.log.bugs
