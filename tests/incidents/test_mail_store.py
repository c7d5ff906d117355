"""A front that passes the mail of its own domain on to a mail store by LMTP."""

from __future__ import annotations

from tests.incidents.incidentkit import failed_recipients

CONTENT = b"Subject: hello\r\n\r\n.x\r\n"


async def test_the_store_has_the_mailboxes_and_says_who_has_none(world):
    host = world.address()
    store = await world.mta(
        "store.example",
        listener=[{"address": host, "port": world.port, "role": "lmtp"}],
        local={"domains": ["a.example"], "mailboxes": ["bob@a.example"]},
    )
    port = world.port
    route = {"recipient": "a.example", "via": "lmtp", "hosts": [f"{host}:{port}"]}
    front = await world.mta("front.example", route=[route], local={"domains": ["a.example", "b.example"]})
    recipients = ["bob@a.example", "nobody@a.example"]
    assert (await front.send("alice@b.example", recipients, CONTENT))[-1] == 250
    await world.idle()
    assert len(store.mailbox("bob", "a.example")) == 1
    assert front.mailbox("bob", "a.example") == []
    [report] = front.mailbox("alice", "b.example")
    assert failed_recipients(report) == ["nobody@a.example"]
    assert front.mta.queue() == []
