"""auth: lines and messages go there and back, and no octets at all break a parser or let anybody in."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from asyncmta.auth import dovecot_lines, scram
from asyncmta.auth.login import login_in
from asyncmta.auth.saslprep import login_key, saslprep
from asyncmta.auth.source import SCRAM, TOKEN_MECHANISMS
from asyncmta.auth.users_file import User, format_user, parse_line, parse_users, with_user, without_user
from asyncmta.routing import parse_pattern
from tests.unit.auth.scramclient import ScramClient

logins = st.text(min_size=1, max_size=30).map(lambda text: saslprep(text) or "x").map(str.strip)
logins = logins.map(lambda login: login.replace(":", "").lstrip("#") or "x").filter(lambda one: saslprep(one) == one)
logins = logins.filter(lambda one: one.isprintable() and one == one.strip())
keys = st.binary(min_size=32, max_size=32)
verifiers = st.builds(scram.Verifier, st.integers(4096, 10**6), st.binary(min_size=1, max_size=64), keys, keys)
patterns = st.sampled_from(["*", "*@example.org", ".example.org", "a@example.org", "example.org"]).map(parse_pattern)
users = st.builds(
    User,
    logins,
    st.sampled_from(["$2b$10$" + "x" * 53, "$argon2id$v=19$m=64,t=1,p=8$" + "A" * 22 + "$" + "B" * 43]),
    st.none() | verifiers,
    st.none() | st.lists(patterns, max_size=3).map(tuple),
)


@given(users)
def test_a_user_as_a_line(user: User) -> None:
    assert parse_line(format_user(user)) == user


@given(st.lists(users, max_size=6), users)
def test_files_that_are_edited(there: list[User], one: User) -> None:
    text = "# remark\n"
    for user in there:
        text = with_user(text, user)
    found = parse_users(text.encode())
    assert found.faults == ()
    assert found.by_key == {login_key(user.login): user for user in there}
    assert parse_users(with_user(text, one).encode()).by_key == {**found.by_key, login_key(one.login): one}
    left = parse_users(without_user(text, one.login).encode()).by_key
    assert left == {key: user for key, user in found.by_key.items() if key != login_key(one.login)}


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_any_octets_are_a_message_or_none(octets: bytes) -> None:
    for mechanism in (SCRAM, *TOKEN_MECHANISMS):
        login = login_in(mechanism, octets)
        assert login is None or login == "" or saslprep(login) is not None
    users = parse_users(octets)
    assert not (users.by_key and users.faults)
    dovecot_lines.parse(octets)
    verifier = scram.nobodys_verifier(b"x", "y", scram.Verifier(4096, bytes(16), bytes(32), bytes(32)))
    first = scram.client_first(b"n,,n=user,r=abc")
    assert first is not None
    assert scram.ScramServer(first, verifier, b"nonce").finish(octets) is None


@settings(deadline=None, max_examples=30)
@given(logins, logins, logins, st.binary(min_size=1, max_size=20))
def test_scram_lets_in_whoever_knows_the_password_and_nobody_else(
    login: str, password: str, guess: str, salt: bytes
) -> None:
    verifier = scram.make_verifier(password, salt, 4096)
    for said in (password, guess):
        client = ScramClient(login, said)
        first = scram.client_first(client.first)
        assert first is not None
        assert first.login == login
        talk = scram.ScramServer(first, verifier, b"nonce")
        assert (talk.finish(client.last(talk.server_first)) == client.expected) == (said == password)


@given(st.text(max_size=50))
def test_what_is_sent_to_dovecot_is_one_field(text: str) -> None:
    assert not set(dovecot_lines.escape(text)) & set("\t\r\n\0")
    assert dovecot_lines.unescape(dovecot_lines.escape(text)) == text


@given(st.text(max_size=60))
def test_what_is_prepared_stays_as_it_is(text: str) -> None:
    prepared = saslprep(text)
    assert prepared is None or saslprep(prepared) in (prepared, None)
