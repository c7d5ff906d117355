"""policy/consultation: hooks and the service, and what comes of those that fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from asyncmta.mail import replies
from asyncmta.mail.envelope import Envelope
from asyncmta.mail.reply import reply
from asyncmta.policy.consultation import Consultation, HookSettings, InvalidHooks, PolicySettings
from asyncmta.policy.service import Endpoint, ServiceFailed
from asyncmta.policy.verdict import About, Stage, Verdict
from asyncmta.testing.clock import FakeClock
from tests.unit.policy.policykit import KitLog, about, peer

NO = reply(550, "5.7.1", "no")


class KitService:
    endpoint = Endpoint(path="/run/policy.sock")

    def __init__(self, verdict: Verdict | None = None) -> None:
        self.verdict = verdict
        self.fails = False
        self.asked: list[About] = []
        self.closed = False

    async def ask(self, question: About) -> Verdict | None:
        self.asked.append(question)
        if self.fails:
            raise ServiceFailed("gone")
        return self.verdict

    def close(self) -> None:
        self.closed = True


def consultation(**options: Any) -> tuple[Consultation, KitLog, FakeClock]:
    log, clock = KitLog(), FakeClock()
    return Consultation(clock=clock, maillog=log, **options), log, clock  # type: ignore[arg-type]


def hooked(found: object, stage: Stage = "RCPT", **settings: Any) -> tuple[Consultation, KitLog, FakeClock]:
    """With a hook that gives that, or raises it."""

    async def hook(*_: object) -> object:
        if isinstance(found, BaseException):
            raise found
        return found

    name = {"connect": "on_connect", "EHLO": "on_ehlo", "MAIL": "on_mail", "RCPT": "on_rcpt"}[stage]
    return consultation(hooks=type("Hooks", (), {name: staticmethod(hook)})(), hook_settings=HookSettings(**settings))


def test_nobody_to_ask() -> None:
    nobody, _, _ = consultation()
    assert (nobody.is_needed, nobody.stages, nobody.looks_at_content) == (False, frozenset(), False)
    assert nobody.asks(may_relay=False) == []
    nobody.close()


def test_who_is_asked_when() -> None:
    class Hooks:
        async def on_connect(self, about: About) -> None: ...

        async def on_content(self, about: About, envelope: Envelope, content: AsyncIterator[bytes]) -> None: ...

    service = KitService()
    both, _, _ = consultation(hooks=Hooks(), service=service)
    assert both.stages == {"connect", "RCPT"}
    assert both.is_needed
    assert both.looks_at_content
    assert both.asks(may_relay=False) == [
        "the policy service at unix:/run/policy.sock",
        "hook on_connect",
        "hook on_content",
    ]
    assert both.asks(may_relay=True) == ["hook on_connect", "hook on_content"]
    everybody, _, _ = consultation(service=service, policy=PolicySettings(clients="all", end_of_message=True))
    assert everybody.looks_at_content
    assert everybody.asks(may_relay=True) == ["the policy service at unix:/run/policy.sock"]
    everybody.close()
    assert service.closed


def test_a_hook_that_is_not_async_is_noticed_at_the_start() -> None:
    class Hooks:
        def on_rcpt(self, about: About) -> None: ...

    with pytest.raises(InvalidHooks, match="on_rcpt"):
        consultation(hooks=Hooks())


BY = "hook on_rcpt"


@pytest.mark.parametrize(
    ("found", "verdicts"),
    [
        (None, ()),
        (NO, (Verdict("reject", NO, by=BY),)),
        (replies.BUSY, (Verdict("defer", replies.BUSY, by=BY),)),
        (Verdict("reject"), (Verdict("reject", replies.REJECTED_BY_RULE, by=BY),)),
        (Verdict("defer", by="mine"), (Verdict("defer", replies.DEFERRED_BY_RULE, by="mine"),)),
        (Verdict("reject", NO), (Verdict("reject", NO, by=BY),)),
        (Verdict("hold"), (Verdict("hold", by=BY),)),
        (Verdict("discard"), (Verdict("discard", by=BY),)),
        (Verdict("tag", text="x"), (Verdict("tag", text="x", by=BY),)),
        (Verdict("prepend", text="X-A: b"), (Verdict("prepend", text="X-A: b", by=BY),)),
        (Verdict("accept"), ()),
    ],
)
async def test_what_a_hook_says(found: object, verdicts: tuple[Verdict, ...]) -> None:
    asked, log, _ = hooked(found)
    assert await asked.ask(about()) == verdicts
    assert log.lines == []


@pytest.mark.parametrize(
    ("found", "stage"),
    [
        (replies.SENDER_OK, "RCPT"),
        ("no", "RCPT"),
        (True, "RCPT"),
        (Verdict("reject", replies.BUSY), "RCPT"),
        (Verdict("defer", NO), "RCPT"),
        (Verdict("tag", text="a\r\nb"), "RCPT"),
        (Verdict("prepend", text="Received: forged"), "RCPT"),
        (Verdict("explode"), "RCPT"),  # type: ignore[arg-type]
        (Verdict("hold"), "connect"),
        (Verdict("tag", text="x"), "EHLO"),
        (Verdict("prepend", text="X-A: b"), "connect"),
        (ValueError("a bug"), "RCPT"),
        (asyncio.IncompleteReadError(b"", 1), "MAIL"),
    ],
)
async def test_what_a_hook_cannot_say_is_a_fault_of_the_hook(found: object, stage: Stage) -> None:
    asked, log, _ = hooked(found, stage)
    assert await asked.ask(about(stage)) == (Verdict("defer", replies.POLICY_UNAVAILABLE, by="hooks.on_error"),)
    assert log.events == ["hook_failed"]
    asked, log, _ = hooked(found, stage, on_error="accept")
    assert await asked.ask(about(stage)) == ()
    assert log.events == ["hook_failed"]


async def test_a_hook_with_other_parameters_is_a_fault_too() -> None:
    class Hooks:
        async def on_rcpt(self) -> None: ...

    asked, log, _ = consultation(hooks=Hooks())
    (verdict,) = await asked.ask(about())
    assert verdict.reply is replies.POLICY_UNAVAILABLE
    assert log.events == ["hook_failed"]


async def test_a_hook_that_hangs_is_cancelled() -> None:
    class Hooks:
        cancelled = False

        async def on_rcpt(self, about: About) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise

    hooks = Hooks()
    asked, log, clock = consultation(hooks=hooks, hook_settings=HookSettings(timeout=7.0))
    asking = asyncio.ensure_future(asked.ask(about()))
    await asyncio.sleep(0)
    clock.advance(6.9)
    await asyncio.sleep(0)
    assert not asking.done()
    clock.advance(0.1)
    (verdict,) = await asking
    assert verdict.reply is replies.POLICY_UNAVAILABLE
    assert hooks.cancelled
    assert log.lines[0][1]["reason"] == "no answer within 7 s"


async def test_the_service_is_asked_about_strangers_whom_no_rule_accepted() -> None:
    service = KitService(Verdict("hold", by="policy service"))
    asked, _, _ = consultation(service=service)
    assert await asked.ask(about()) == (service.verdict,)
    assert await asked.ask(about("MAIL")) == ()
    assert await asked.ask(about(is_accepted=True)) == ()
    assert await asked.ask(about(peer=peer(may_relay=True))) == ()
    assert len(service.asked) == 1
    everybody, _, _ = consultation(service=service, policy=PolicySettings(clients="all"))
    assert await everybody.ask(about(peer=peer(may_relay=True))) == (service.verdict,)


async def test_a_service_that_fails_is_said_once_and_when_it_is_back() -> None:
    service = KitService()
    asked, log, _ = consultation(service=service)
    service.fails = True
    for _ in range(3):
        assert await asked.ask(about()) == (Verdict("defer", replies.POLICY_UNAVAILABLE, by="policy.default"),)
    service.fails = False
    assert await asked.ask(about()) == ()
    assert log.events == ["policy_service_failed", "policy_service_answers"]
    lenient, _, _ = consultation(service=service, policy=PolicySettings(default="dunno"))
    service.fails = True
    assert await lenient.ask(about()) == ()


async def test_whom_the_service_refuses_no_hook_is_asked_about() -> None:
    class Hooks:
        asked = 0

        async def on_rcpt(self, about: About) -> Verdict:
            self.asked += 1
            return Verdict("tag", text="x")

        async def on_content(self, about: About, envelope: Envelope, content: AsyncIterator[bytes]) -> Verdict:
            return Verdict("tag", text=(b"".join([chunk async for chunk in content])).decode())

    async def content() -> AsyncIterator[bytes]:
        yield b"the "
        yield b"text"

    hooks, service = Hooks(), KitService(Verdict("reject", NO, by="policy service"))
    asked, _, _ = consultation(hooks=hooks, service=service, policy=PolicySettings(end_of_message=True))
    assert await asked.ask(about()) == (service.verdict,)
    assert hooks.asked == 0
    envelope = Envelope(None, ())
    assert await asked.inspect(about("dot"), envelope, content) == (service.verdict,)
    service.verdict = Verdict("hold", by="policy service")
    assert await asked.ask(about()) == (service.verdict, Verdict("tag", text="x", by=BY))
    tag = Verdict("tag", text="the text", by="hook on_content")
    assert await asked.inspect(about("dot"), envelope, content) == (service.verdict, tag)
    quiet, _, _ = consultation(hooks=hooks, service=service)
    assert await quiet.inspect(about("dot"), envelope, content) == (tag,)
    only, _, _ = consultation(service=service, policy=PolicySettings(end_of_message=True))
    assert await only.inspect(about("dot"), envelope, content) == (service.verdict,)
