"""send, route and health, against a control socket."""

from __future__ import annotations

import json

import pytest

LETTER = b"To: You <you@example.net>,\n  other@example.net\nBcc: hidden@example.net\nSubject: x\n\nTo: nobody@x\n"


def test_health_is_silent_when_all_is_well(run, mta):
    ended = run("health")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_health_tells_the_reasons(run, mta):
    mta.reasons = ["recovering", "disk full"]
    assert run("health").code == 0
    ended = run("health", "--ready")
    assert ended.code == 69
    assert ended.err == "recovering; disk full\n"


def test_nobody_there(run):
    assert run("health").code == 69
    assert run("route", "you@example.net").code == 69
    assert run("queue", "retry", "--all").code == 69
    ended = run("send", "you@example.net", stdin=b"x")
    assert ended.code == 75
    assert "not running" in ended.err


def test_a_message_from_standard_input(run, mta):
    ended = run("send", "-f", "me@example.org", "you@example.net", "other@example.net", stdin=b"Subject: \xff\n\n.\n")
    assert (ended.code, ended.out) == (0, f"{1:016d}\n")
    assert mta.submitted == [("me@example.org", ["you@example.net", "other@example.net"], b"Subject: \xff\n\n.\n")]


@pytest.mark.parametrize("null", ["", "<>"])
def test_the_null_reverse_path(run, mta, null):
    assert run("send", "-f", null, "you@example.net", stdin=b"x").code == 0
    assert mta.submitted[0][0] is None


def test_without_f_it_is_the_user_at_hostname(run, mta, monkeypatch):
    monkeypatch.setenv("LOGNAME", "somebody")
    ended = run("send", "--json", "you@example.net", stdin=b"x")
    assert json.loads(ended.out) == {"queue_id": f"{1:016d}"}
    assert mta.submitted[0][0] == "somebody@mta.example"


def test_recipients_from_the_header_section(run, mta):
    assert run("send", "-f", "me@example.org", "-t", "you@example.net", stdin=LETTER).code == 0
    _, recipients, content = mta.submitted[0]
    assert recipients == ["you@example.net", "other@example.net", "hidden@example.net"]
    assert content == LETTER.replace(b"Bcc: hidden@example.net\n", b"")


def test_without_a_recipient(run, mta):
    assert run("send", stdin=b"x").code == 64
    assert run("send", "-t", stdin=b"Subject: x\n\nTo: a@b\n").code == 65
    assert run("send", "-t", "you@example.net", stdin=b"To: " + b"(" * 20_000 + b"\n\n").code == 65
    assert mta.submitted == []


def test_refusals_say_whether_to_try_again(run, mta):
    assert run("send", "nonsense", stdin=b"x").code == 65
    mta.refuse(452, "4.3.1", "no room")
    ended = run("send", "you@example.net", stdin=b"x")
    assert (ended.code, "452 4.3.1 no room" in ended.err) == (75, True)
    mta.refuse(550, "5.1.1", "no such mailbox")
    assert run("send", "you@example.net", stdin=b"x").code == 69
    mta.bug = RuntimeError("a bug over there")
    assert run("send", "you@example.net", stdin=b"x").code == 75


def test_a_route_is_explained(run, mta):
    ended = run("route", "you@example.net", "--from", "me@example.org")
    assert ended.code == 0
    assert ended.out.splitlines() == [
        "you@example.net from me@example.org",
        "  no route matches",
        "exchanger: mx.example.net",
        "TLS: opportunistic",
    ]
    assert json.loads(run("route", "--json", "you@example.net", "--from", "<>").out)["tls"] == "opportunistic"
    assert run("route", "nonsense").code == 65


def test_a_route_is_explained_for_a_client(run, mta):
    ended = run("route", "you@example.net", "--client", "192.0.2.1", "--login", "carol")
    assert ended.out.splitlines()[-1] == "policy: client 192.0.2.1 as carol"
    assert run("route", "you@example.net", "--client", "nonsense").code == 65
    assert run("route", "you@example.net", "--login", "carol").code == 64


def test_a_route_without_a_running_mta(run, config, tmp_path):
    (tmp_path / "aliases").write_text("team: alice, x@far.example\nbad: |x\n")
    (tmp_path / "var/mail/here.example/alice").mkdir(parents=True)
    config.write_text(
        'hostname = "mta.example"\n[local]\ndomains = ["here.example"]\naliases = "aliases"\n'
        'unknown_user = "relay:r.example:26"\n'
        '[[route]]\nrecipient = "far.example"\nvia = "smarthost"\nhosts = ["s.example:25"]\n'
    )
    ended = run("route", "--offline", "Team@here.example", "--from", "<>")
    assert (ended.code, ended.out.splitlines()) == (
        0,
        [
            "Team@here.example from <>",
            "  route 0 (recipient far.example, sender *): not for this recipient",
            "  no route matches; here.example is a local domain",
            "  destination: local:here.example",
            "TLS: none",
            "address: Team@here.example: stands for alice, x@far.example",
            f"address:   alice@here.example: mailbox {tmp_path}/var/mail/here.example/alice",
            "address:   x@far.example: not at a domain of ours",
            "address: at RCPT: 250 2.1.5 Recipient OK",
            "address: whom we do not know at here.example is for r.example:26",
        ],
    )
    assert "line 2" in ended.err
    assert "exchanger: s.example:25" in run("route", "--offline", "x@far.example").out
    by_mx = run("route", "--offline", "--json", "x@mx.example", "--from", "me@here.example")
    assert json.loads(by_mx.out)["exchangers"] == []
    assert json.loads(by_mx.out)["tls"] == "opportunistic"
    assert run("route", "--offline", "nonsense").code == 65
    assert run("route", "--offline", "x@far.example", "--client", "192.0.2.1").code == 64


def test_aliases_that_lead_nowhere_are_remarked(run, config, tmp_path):
    (tmp_path / "aliases").write_text("root: none\nloop: pool\npool: loop\nteam: alice\nfar: x@far.example\n")
    config.write_text(
        'hostname = "mta.example"\n[local]\ndomains = ["here.example"]\nmailboxes = ["alice"]\naliases = "aliases"\n'
    )
    ended = run("check-config")
    assert (ended.code, ended.out) == (0, f"{config}: ok\n")
    assert ended.err.splitlines() == [
        "warning: root@here.example stands for nobody",
        "warning: loop@here.example stands for itself by way of others",
        "warning: pool@here.example stands for itself by way of others",
    ]


def test_what_check_config_remarks(run, config, tmp_path):
    (tmp_path / "aliases").write_text("bad: |x\n")
    config.write_text('hostname = "mta.example"\n[local]\naliases = "aliases"\n')
    ended = run("check-config")
    assert (ended.code, ended.out) == (0, f"{config}: ok\n")
    assert ended.err.startswith(f"warning: local.aliases: {tmp_path}/aliases, line 1: |x: ")
    (tmp_path / "aliases").unlink()
    ended = run("check-config")
    assert (ended.code, ended.out) == (78, "")
    assert ended.err.startswith(f"{config}: local.aliases: {tmp_path}/aliases: cannot be read: No such file")


def test_a_dry_run_sends_nothing(run, mta):
    ended = run("send", "-t", "-f", "me@example.org", "--dry-run", stdin=LETTER)
    assert json.loads(ended.out) == {
        "sender": "me@example.org",
        "recipients": ["you@example.net", "other@example.net", "hidden@example.net"],
    }
    assert json.loads(run("send", "-f", "<>", "--dry-run", "you@example.net").out)["sender"] is None
    assert mta.submitted == []


def test_a_message_may_wait_for_an_mta_that_does_not_run(run, config):
    drop = config.parent / "spool" / "drop"
    drop.mkdir()
    ended = run("send", "--drop", "--json", "you@example.net", stdin=b"x")
    assert (ended.code, json.loads(ended.out)) == (0, {"queue_id": None})
    assert run("send", "--drop", "you@example.net", stdin=b"x").out == "-\n"
    assert len(list(drop.glob("*.mail"))) == 2


def test_one_that_may_wait_goes_at_once_where_somebody_runs(run, mta):
    assert run("send", "--drop", "you@example.net", stdin=b"x").out == f"{1:016d}\n"
