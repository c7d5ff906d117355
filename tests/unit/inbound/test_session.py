"""inbound/session: what is kept between two commands, and what is forgotten."""

from __future__ import annotations

from asyncmta.inbound.session import Client, SessionState
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Envelope, Recipient
from tests.dialogs.player import World


def state(tls: str = "", **settings: str) -> SessionState:
    return SessionState(World(**settings).acceptance(), Client("192.0.2.1", 1), tls)


def to(text: str, notify: int = 0) -> Recipient:
    return Recipient(parse_address(text), notify)


def test_each_mailbox_is_kept_once_and_the_first_one_counts() -> None:
    session = state()
    for recipient in (
        to("a@x.example", 8),
        to("b@x.example"),
        to("a@X.example", 1),
        to('"b"@x.example'),
        to("c@x.example"),
    ):
        session.add(recipient)
    assert [str(recipient.address) for recipient in session.recipients] == ["a@x.example", "b@x.example", "c@x.example"]
    assert session.recipients[0].notify == 8


def test_a_transaction_leaves_nothing_behind() -> None:
    session = state()
    session.helo = "client.example"
    session.envelope = Envelope(parse_address("a@x.example"), ())
    session.add(to("a@x.example"))
    session.add(to("b@x.example"))
    session.forget_transaction()
    assert (session.envelope, session.recipients, session.keys, session.reverse_path) == (None, [], None, None)
    assert session.helo == "client.example"


def test_tls_forgets_all_that_was_said() -> None:
    session = state(tls="")
    session.helo, session.extended = "client.example", True
    session.log_in("alice")
    assert session.may_relay
    session.secure("TLSv1.3 X")
    assert (session.helo, session.extended, session.login, session.may_relay) == ("", False, None, False)


def test_locked_until_tls_where_it_is_demanded() -> None:
    world = World(tls="required")
    session = SessionState(world.acceptance(), Client("192.0.2.1"))
    assert session.is_locked
    session.secure("TLSv1.3 X")
    assert not session.is_locked


def test_facts_are_made_once_and_anew_when_something_changes() -> None:
    session = state()
    session.helo, session.extended = "client.example", True
    facts = session.facts(smtputf8=False)
    assert session.facts(smtputf8=False) is facts
    assert "from client.example ([192.0.2.1])" in facts.opening
    assert "with ESMTP id" in facts.opening
    assert "with UTF8SMTP id" in session.facts(smtputf8=True).opening
    assert session.facts(smtputf8=False) is facts
    session.log_in("alice")
    assert "with ESMTPA id" in session.facts(smtputf8=False).opening
    assert session.facts(smtputf8=False).login == "alice"


def test_errors_count_at_once_and_other_refusals_when_they_pile_up() -> None:
    session = state(errors="2", junk_commands="3")
    assert not session.charge(550)
    assert session.charge(550)
    session.forgive()
    assert [session.charge(451) for _ in range(5)] == [False, False, False, False, True]
    session.forgive()
    assert not session.charge(452, counts=False)
    assert not session.charge(452, counts=True)
    assert session.charge(452, counts=True)
