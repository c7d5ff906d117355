"""Who follows a delivery in a scheduler: those that reached nobody there, and nobody who only looks so."""

from __future__ import annotations

import pytest

from asyncmta.mail.envelope import Consignment
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Outcome, Place, Scope
from asyncmta.mail.reply import reply
from asyncmta.routing import Routing, Rule, Smarthost, parse_pattern
from tests.unit.scheduling.schedulingkit import Post

NOBODY = reply(451, "4.4.1", "no connection (connecting): Connection refused")


def routes(**hosts: str) -> Routing:
    """From the first label of a domain to a smarthost of its own."""
    return Routing(
        rules=[
            Rule(parse_pattern(f"{name}.example"), parse_pattern("*"), Smarthost(f"smarthost:{host}", (host,)))
            for name, host in hosts.items()
        ],
        local_domains=["here.example"],
    )


@pytest.mark.parametrize(("way", "follows"), [("smarthost", 0), ("mx", 1)])
async def test_a_host_of_a_route_is_another_one_at_another_port(way: str, follows: int) -> None:
    """A filter on this machine that is down, and an LMTP server on it that is up: the one says nothing of the other.
    What is found by MX is all at one port."""
    place = Place("127.0.0.1", "127.0.0.1")

    def is_up(consignment: Consignment) -> bool:
        return consignment.envelope.recipients[0].address.domain == "up.example"

    def script(consignment: Consignment) -> Outcome:
        taken, unreached = (
            Delivered(reply(250, "2.0.0", "ok"), place),
            Deferred(Cause.CONNECT, NOBODY, Scope.SITE, place),
        )
        return taken if is_up(consignment) else unreached

    post = Post()
    if way == "smarthost":
        post.routing = routes(down="127.0.0.1:10024", up="127.0.0.1:10025")
    await post.start()
    post.transport.script = script
    await post.accept("a@down.example")
    await post.idle()
    await post.accept("b@up.example")
    await post.idle()
    (asked_up,) = [each for call in post.transport.calls for each in call if is_up(each)]
    asked_down = [each for call in post.transport.calls for each in call if not is_up(each)]
    assert asked_up.destination.startswith(way)
    assert len(asked_down) == 1 + follows
    await post.stop()
