"""auth/users_file: lines as an operator writes them, what is wrong with others, and edits that leave the rest alone."""

from __future__ import annotations

import pytest

from asyncmta.auth import scram, users_file
from asyncmta.auth.users_file import User, format_user, parse_line, parse_users, with_user, without_user
from asyncmta.mail.address import parse_address

ARGON2 = "$argon2id$v=19$m=19456,t=2,p=1$Lp5xHQNK7AW+n/czYjhpGA$Z1h1zM1/uszNNt0cXKY3NJR8AGKLL03W8ca88gUwOlY"
BCRYPT = "$2y$10$" + "a" * 53
VERIFIER = scram.make_verifier("pencil", b"salt", 4096)
SCRAM = "{SCRAM-SHA-256}" + scram.show(VERIFIER)


def one(line: str) -> User:
    user = parse_line(line)
    assert isinstance(user, User), user
    return user


@pytest.mark.parametrize(
    ("line", "login", "hash", "has_verifier"),
    [
        (f"alice@example.org:{{ARGON2ID}}{ARGON2}", "alice@example.org", ARGON2, False),
        (f"alice:{ARGON2}", "alice", ARGON2, False),
        (f"alice:{{argon2id}}{ARGON2}::::::", "alice", ARGON2, False),
        (f"alice:{{ARGON2I}}{ARGON2.replace('2id', '2i')}", "alice", ARGON2.replace("2id", "2i"), False),
        (f"bob:{{BLF-CRYPT}}{BCRYPT}", "bob", BCRYPT, False),
        (f"bob:{BCRYPT.replace('2y', '2b')}:{SCRAM}", "bob", BCRYPT.replace("2y", "2b"), True),
        (f"carol smith:{SCRAM}", "carol smith", "", True),
        (f"grün:{SCRAM}:{ARGON2}", "grün", ARGON2, True),
    ],
)
def test_lines(line: str, login: str, hash: str, has_verifier: bool) -> None:
    user = one(line)
    assert (user.login, user.hash, user.verifier is not None) == (login, hash, has_verifier)
    assert user.senders is None
    assert one(format_user(user)) == user
    assert ARGON2 not in repr(user)


def test_senders() -> None:
    user = one(f"bob:{ARGON2}:senders=*@example.org,boss@example.com,.sub.example")
    assert user.senders is not None
    assert [pattern.text for pattern in user.senders] == ["*@example.org", "boss@example.com", ".sub.example"]
    assert any(pattern.covers(parse_address("x@example.org")) for pattern in user.senders)
    assert one(f"bob:{ARGON2}:senders=").senders == ()
    assert one(format_user(user)) == user


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("alice", "neither"),
        ("alice:", "neither"),
        ("alice:senders=*", "neither"),
        (f":{ARGON2}", "not a login"),
        (f" alice:{ARGON2}", "not a login"),
        (f"gru\u0308n:{ARGON2}", "not a login"),
        (f"al\u00adice:{ARGON2}", "does not print"),
        (f"alice:{ARGON2}\r", "does not print"),
        (f"alice:{ARGON2}" + ":" * 4096, "longer"),
        ("alice:secret", "none of {ARGON2ID}"),
        ("alice:{PLAIN}secret", "none of {ARGON2ID}"),
        (f"alice:{{ARGON2ID{ARGON2}", "none of {ARGON2ID}"),
        (f"alice:{{BLF-CRYPT}}{ARGON2}", "none of {ARGON2ID}"),
        (f"alice:{ARGON2.replace('m=19456', 'm=99999999')}", "at most"),
        (f"alice:{ARGON2.replace('m=19456', 'm=7')}", "at most"),
        (f"alice:{ARGON2.replace('t=2', 't=999')}", "at most"),
        (f"alice:{ARGON2.replace('t=2', 't=0')}", "at most"),
        (f"alice:{ARGON2.replace('p=1', 'p=65')}", "at most"),
        (f"alice:{ARGON2.replace('p=1', 'p=0')}", "at most"),
        (f"alice:{BCRYPT.replace('10', '17')}", "at most"),
        (f"alice:{BCRYPT.replace('10', '03')}", "at most"),
        (f"alice:{ARGON2}:{BCRYPT}", "two hashes"),
        (f"alice:{SCRAM}:{SCRAM}", "twice"),
        ("alice:{SCRAM-SHA-256}1,2,3,4", "not a verifier"),
        (f"alice:{ARGON2}:senders=a@b@c", "senders="),
        (f"alice:{ARGON2}:senders=a.example,", "senders="),
        (f"alice:{ARGON2}:senders=*:senders=*", "twice"),
    ],
)
def test_lines_that_are_wrong_and_tell_no_secret(line: str, word: str) -> None:
    fault = parse_line(line)
    assert isinstance(fault, str)
    assert word in fault
    assert "secret" not in fault
    assert "Lp5xHQNK7AW" not in fault


def test_a_file() -> None:
    users = parse_users(f"# who\n\nAlice:{ARGON2}\n  \nbob:{SCRAM}\n".encode())
    assert list(users.by_key) == ["alice", "bob"]
    assert users.faults == ()
    assert users.by_key["alice"].login == "Alice"
    assert parse_users(b"").by_key == {}


def test_one_fault_and_nobody_is_there() -> None:
    users = parse_users(f"alice:{ARGON2}\nbob\nALICE:{ARGON2}\n".encode())
    assert users.by_key == {}
    assert [fault.partition(":")[0] for fault in users.faults] == ["line 2", "line 3"]
    assert "already" in users.faults[1]


def test_files_that_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_users(b"\xff").faults == ("not UTF-8",)
    monkeypatch.setattr(users_file, "MAX_FILE", 3)
    assert parse_users(b"####").faults == ("longer than 3 octets",)


def test_edits_leave_the_rest_alone() -> None:
    text = f"# who\nalice:{ARGON2}\n\n# bob: left\nbob:{SCRAM}"
    bob = User("Bob", hash=BCRYPT)
    changed = with_user(text, bob)
    assert changed == f"# who\nalice:{ARGON2}\n\n# bob: left\nBob:{{BLF-CRYPT}}{BCRYPT}\n"
    assert with_user(changed, User("eve", hash=ARGON2)) == f"{changed}eve:{{ARGON2ID}}{ARGON2}\n"
    assert without_user(changed, "ALICE") == f"# who\n\n# bob: left\nBob:{{BLF-CRYPT}}{BCRYPT}\n"
    assert with_user("", bob) == f"Bob:{{BLF-CRYPT}}{BCRYPT}\n"
    assert without_user(f"alice:{ARGON2}\n", "alice") == ""
    assert without_user("", "alice") == ""
