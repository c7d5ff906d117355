"""How we introduce ourselves to a host: levels that a policy raises, certificates that change, logins with tokens."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from asyncmta.credentials import Grant, Identity, Login
from asyncmta.delivery.client_tls import TlsContexts, check_identity
from asyncmta.delivery.exchange import Exchanger, Site, at_level, site_of_hosts
from asyncmta.delivery.identities import LOOK
from asyncmta.delivery.introductions import Introductions
from asyncmta.delivery.manners import Manners
from asyncmta.delivery.tls_policy import Demand
from asyncmta.mail.outcome import Cause, Deferred, Scope
from asyncmta.testing.clock import FakeClock

SITE = Site("mx:mx.example", (Exchanger("mx.example"),))


class Notes:
    def __init__(self) -> None:
        self.events: list[str] = []

    def note(self, level: str, event: str, **facts: object) -> None:
        self.events.append(event)


async def introduced(introductions: Introductions, site: Site = SITE) -> Manners:
    found = await introductions.manners(site, "mx.example", "us.example", 30.0)
    assert isinstance(found, Manners)
    return found


async def test_without_anything_it_is_what_the_site_says(client_tls: TlsContexts, clock: FakeClock) -> None:
    introductions = Introductions(clock=clock, contexts=client_tls)
    manners = await introduced(introductions, at_level(SITE, "require"))
    assert (manners.hostname, manners.tls, manners.connect_timeout) == ("us.example", "require", 30.0)
    assert manners.contexts is client_tls
    assert (manners.login, manners.tokens, manners.judge, manners.implicit_tls) == (None, None, None, False)
    assert manners.record is introductions.record
    await introductions.close()


async def test_a_policy_raises_the_level(client_tls: TlsContexts, clock: FakeClock) -> None:
    asked: list[tuple[str, str]] = []

    def judge(certificate: bytes) -> str:
        return "no"

    async def policy(site: Site, host: str) -> Demand:
        asked.append((site.key, host))
        return Demand("require", judge)

    introductions = Introductions(clock=clock, contexts=client_tls, policy=policy)
    manners = await introduced(introductions)
    assert (manners.tls, manners.judge) == ("require", judge)
    assert (await introduced(introductions, at_level(SITE, "verify"))).tls == "verify"
    assert asked == [("mx:mx.example", "mx.example"), ("mx:mx.example verify", "mx.example")]


async def test_a_policy_that_cannot_be_looked_up_defers(client_tls: TlsContexts, clock: FakeClock) -> None:
    async def policy(site: Site, host: str) -> Demand:
        raise ValueError("bug")

    notes = Notes()
    introductions = Introductions(clock=clock, contexts=client_tls, policy=policy, note=notes.note)
    found = await introductions.manners(SITE, "mx.example", "us.example", 30.0)
    assert isinstance(found, Deferred)
    assert (found.cause, found.scope, found.place.host) == (Cause.TLS, Scope.SITE, "mx.example")
    assert notes.events == ["internal_error"]


async def test_the_same_grant_has_the_same_token(client_tls: TlsContexts, clock: FakeClock) -> None:
    introductions = Introductions(clock=clock, contexts=client_tls)
    login = Login("me", "", "auto", Grant(file="/token"))
    sites = [site_of_hosts((host,), "verify", login, implicit_tls=True) for host in ("a:1", "b:2")]
    first, second = [await introduced(introductions, site) for site in sites]
    assert first.tokens is second.tokens is not None
    assert first.implicit_tls
    password = site_of_hosts(("a:1",), "verify", Login("me", "x"))
    assert (await introduced(introductions, password)).tokens is None


@pytest.fixture
def write(authority: trustme.CA, tmp_path: Path) -> Callable[[], Identity]:
    """A client certificate in its files, another one each time."""
    identity = Identity(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))

    def write() -> Identity:
        issued = authority.issue_cert("us.example")
        issued.cert_chain_pems[0].write_to_path(identity.certificate)
        issued.private_key_pem.write_to_path(identity.key)
        return identity

    return write


async def test_a_client_certificate_is_read_again(
    client_tls: TlsContexts, clock: FakeClock, write: Callable[[], Identity]
) -> None:
    notes, made = Notes(), []

    def make(identity: Identity) -> TlsContexts:
        check_identity(identity)
        made.append(TlsContexts(client_tls.opportunistic, client_tls.verifying))
        return made[-1]

    identity = write()
    site = site_of_hosts(("a:1",), "verify", None, identity)
    introductions = Introductions(clock=clock, contexts=client_tls, note=notes.note, make_contexts=make)
    assert (await introduced(introductions, site)).contexts is made[0]
    clock.advance(LOOK)
    assert (await introduced(introductions, site)).contexts is made[0]
    write()
    assert (await introduced(introductions, site)).contexts is made[0]  # not looked at so soon
    clock.advance(LOOK)
    assert (await introduced(introductions, site)).contexts is made[1]
    Path(identity.key).write_text("half a key")
    clock.advance(LOOK)
    assert (await introduced(introductions, site)).contexts is made[1]
    os.unlink(identity.key)
    clock.advance(LOOK)
    assert (await introduced(introductions, site)).contexts is made[1]
    assert notes.events == ["client_certificate_reloaded"] + ["client_certificate_refused"] * 2
    assert len(made) == 2


async def test_without_the_certificate_nothing_is_sent(
    client_tls: TlsContexts, clock: FakeClock, tmp_path: Path
) -> None:
    introductions = Introductions(clock=clock, contexts=client_tls)
    site = site_of_hosts(("a:1",), "verify", None, Identity(str(tmp_path / "none.pem")))
    found = await introductions.manners(site, "a", "us.example", 30.0)
    assert isinstance(found, Deferred)
    assert (found.cause, found.scope) == (Cause.TLS, Scope.SITE)
    assert "cannot be read" in found.reply.text


def test_what_tells_sites_apart() -> None:
    token = Login("me", "", "xoauth2", Grant(url="https://id.example/token"))
    sites = [
        site_of_hosts(("a:1",), "verify"),
        site_of_hosts(("a:1",), "verify", implicit_tls=True),
        site_of_hosts(("a:1",), "require"),
        site_of_hosts(("a:1",), "verify", Login("me", "x")),
        site_of_hosts(("a:1",), "verify", Login("me", "x", "plain")),
        site_of_hosts(("a:1",), "verify", token),
        site_of_hosts(("a:1",), "verify", token, Identity("/cert.pem")),
        SITE,
        at_level(SITE, "verify"),
    ]
    assert len({site.key for site in sites}) == len(sites)
    assert at_level(SITE, "opportunistic") is SITE
    assert (
        sites[6].key == "smarthost:a:1 verify as me by xoauth2 with a token of https://id.example/token with /cert.pem"
    )
