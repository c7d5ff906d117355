"""`asyncmta drain`, as far as it is the command's own; the hand-over itself is in tests/peers/test_life.py."""

from __future__ import annotations

from asyncmta.cli.drain import why


def test_an_interrupted_command_says_that_the_mta_goes_on(run, mta, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("asyncmta.cli.drain.watch", interrupted)
    ended = run("drain", "--to", "relay.test:25")
    assert ended.code == 130
    assert "the MTA goes on with it until `asyncmta drain --end`" in ended.err


def test_it_has_to_know_where_to(run, mta):
    assert run("drain").code == 64
    assert run("drain", "--to", "relay.test:25", "--end").code == 64


def test_what_the_other_relay_says_turns_no_text():
    assert why({"left": 1, "held": 0, "reasons": {"550 \u202egnp": 2}}) == [
        "1 messages are left",
        "2 recipients: 550 ?gnp",
    ]
