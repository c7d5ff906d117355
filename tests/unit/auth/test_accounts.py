"""auth/accounts: PLAIN and SCRAM against a file; nobody can tell by the answers who exists."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from asyncmta.auth import scram
from asyncmta.auth.accounts import Accounts, ScramExchange
from asyncmta.auth.checking import Checking
from asyncmta.auth.source import SCRAM, Attempt, Granted, No
from asyncmta.auth.users_file import User, format_user
from asyncmta.routing import parse_pattern
from asyncmta.testing.clock import FakeClock
from tests.unit.auth.authkit import PENCIL, Log, fits, hash_of
from tests.unit.auth.scramclient import ScramClient

PLAIN = Attempt("PLAIN")


class House:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "users"
        self.clock = FakeClock()
        self.asked: list[tuple[str, str]] = []
        self.opened: list[Accounts] = []

    def write(self, *users: User) -> None:
        self.path.write_text("".join(f"{format_user(user)}\n" for user in users))
        self.clock.advance(2.0)

    def open(self, secret: bytes = b"of the journal") -> Accounts:
        def note(user: User, password: str) -> bool:
            self.asked.append((user.login, password))
            return fits(user, password)

        checking = Checking(self.clock.monotonic, fits=note, threads=1)
        accounts = Accounts(
            str(self.path),
            secret=secret,
            monotonic=self.clock.monotonic,
            maillog=Log(),  # type: ignore[arg-type]
            checking=checking,
        )
        self.opened.append(accounts)
        return accounts


ALICE = User("Alice@example.org", hash_of("secret"), senders=(parse_pattern("*@example.org"),))
BOB = User("bob", hash_of("pencil"), PENCIL)
CAROL = User("carol", "", PENCIL)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = House(tmp_path)
    made.write(ALICE, BOB, CAROL)
    yield made
    for accounts in made.opened:
        await accounts.close()


async def test_passwords(house: House) -> None:
    accounts = house.open()
    assert await accounts.password(PLAIN, "alice@EXAMPLE.org", "secret") == Granted("Alice@example.org")
    assert await accounts.password(PLAIN, "alice@example.org", "Secret") is No.WRONG
    assert await accounts.password(PLAIN, "carol", "pencil") == Granted("carol")
    assert await accounts.password(PLAIN, "a\0b", "x") is No.WRONG
    assert await accounts.password(PLAIN, "alice@example.org", "x\0y") is No.WRONG


async def test_somebody_unknown_costs_a_check_of_a_real_hash_and_is_wrong_whatever_it_says(house: House) -> None:
    accounts = house.open()
    for password in ("secret", "pencil", "other"):
        assert await accounts.password(PLAIN, "eve", password) is No.WRONG
    assert [password for _, password in house.asked] == ["secret", "pencil", "other"]
    assert len({login for login, _ in house.asked}) == 1  # always the same for a name
    for number in range(30):
        await accounts.password(PLAIN, f"eve{number}", "x")
    assert {login for login, _ in house.asked} == {"Alice@example.org", "bob", "carol"}


async def test_where_there_is_nobody_at_all(house: House) -> None:
    house.write()
    accounts = house.open()
    assert await accounts.password(PLAIN, "eve", "") is No.WRONG
    assert await accounts.password(PLAIN, "eve", "x") is No.WRONG
    assert house.asked == [("", "x")]
    assert isinstance(await ScramExchange(accounts).step(b"n,,n=eve,r=x"), bytes)


async def test_too_many_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = house.open()

    async def busy(*_: object, **__: object) -> None:
        return None

    monkeypatch.setattr(accounts._checking, "fits", busy)
    assert await accounts.password(PLAIN, "bob", "pencil") is No.UNSURE


async def test_a_changed_file(house: House) -> None:
    accounts = house.open()
    offers: list[tuple[str, ...]] = []
    accounts.watch(offers.append)
    assert await accounts.password(PLAIN, "bob", "pencil") == Granted("bob")
    house.write(ALICE, User("bob", hash_of("new")))
    assert await accounts.password(PLAIN, "bob", "pencil") is No.WRONG
    assert await accounts.password(PLAIN, "bob", "new") == Granted("bob")
    house.write(ALICE)
    assert await accounts.password(PLAIN, "bob", "new") is No.WRONG
    assert offers == [("PLAIN", "LOGIN", "SCRAM-SHA-256"), ("PLAIN", "LOGIN")]


async def test_senders(house: House) -> None:
    accounts = house.open()
    assert accounts.senders("alice@example.org") == ALICE.senders
    assert accounts.senders("bob") is None
    assert accounts.senders("nobody") is None


async def talk(accounts: Accounts, client: ScramClient) -> object:
    exchange = accounts.exchange(Attempt(SCRAM))
    challenge = await exchange.step(client.first)
    assert isinstance(challenge, bytes)
    answer = await exchange.step(client.last(challenge))
    if not isinstance(answer, bytes):
        return answer
    assert answer == client.expected
    return await exchange.step(b"")


async def test_scram(house: House) -> None:
    accounts = house.open()
    assert await talk(accounts, ScramClient("BOB", "pencil")) == Granted("bob")
    assert await talk(accounts, ScramClient("bob", "pen")) is No.WRONG
    assert await talk(accounts, ScramClient("eve", "pencil")) is No.WRONG
    assert await talk(accounts, ScramClient("Alice@example.org", "secret")) is No.WRONG  # she has no verifier
    assert await accounts.exchange(Attempt(SCRAM)).step(b"nonsense") is No.MALFORMED


async def test_two_exchanges_have_two_nonces_and_the_last_word_is_empty(house: House) -> None:
    accounts = house.open()
    one, other = accounts.exchange(Attempt(SCRAM)), accounts.exchange(Attempt(SCRAM))
    client = ScramClient("bob", "pencil")
    first = await one.step(client.first)
    assert isinstance(first, bytes)
    assert first != await other.step(client.first)
    assert await other.step(client.last(first)) is No.WRONG  # what was heard in one is no use in another
    assert isinstance(await one.step(client.last(first)), bytes)
    assert await one.step(b"x") is No.MALFORMED


async def test_a_name_that_nobody_has_looks_like_any_other(house: House) -> None:
    def salt(challenge: object) -> tuple[bytes, bytes]:
        assert isinstance(challenge, bytes)
        _, text, iterations = challenge.split(b",")
        return text, iterations

    accounts = house.open()
    eve = salt(await accounts.exchange(Attempt(SCRAM)).step(b"n,,n=eve,r=x"))
    bob = salt(await accounts.exchange(Attempt(SCRAM)).step(b"n,,n=bob,r=x"))
    assert eve[1] == bob[1]
    assert len(eve[0]) == len(bob[0])
    assert eve != bob
    assert salt(await house.open().exchange(Attempt(SCRAM)).step(b"n,,n=EVE,r=x")) == eve  # also after a restart
    assert salt(await house.open(b"another").exchange(Attempt(SCRAM)).step(b"n,,n=eve,r=x")) != eve


def test_the_verifier_of_the_kit_is_right() -> None:
    assert scram.verify(PENCIL, "pencil")
