"""Whom else to ask: the policy service, then the hooks of the Python program around us; each with a deadline.

Promises: an answer is a tuple of verdicts, () for no opinion, whatever hook or service do: an exception, a timeout or
nonsense is logged and becomes what the settings say (`hooks.on_error`, `policy.default`); one that hangs is cancelled.
Never: a rule, and no relaying for anybody.

docs/python.md (hooks); rows D-17, W-010, W-153.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct

from asyncmta.mail import replies
from asyncmta.mail.envelope import Envelope
from asyncmta.mail.reply import Reply
from asyncmta.maillog import MailLog
from asyncmta.policy.service import PolicyService, ServiceFailed
from asyncmta.policy.verdict import About, Stage, Verdict, header_line, tag_text
from asyncmta.system.clock import Clock
from asyncmta.system.deadline import Deadline

METHODS: Final[Mapping[Stage, str]] = MappingProxyType(
    {"connect": "on_connect", "EHLO": "on_ehlo", "MAIL": "on_mail", "RCPT": "on_rcpt", "dot": "on_content"}
)
_EARLY = ("connect", "EHLO")  # there is no transaction yet: refusals alone make sense

Verdicts = tuple[Verdict, ...]
Hook = Callable[..., Awaitable[object]]


class InvalidHooks(TypeError):
    """The object given as hooks cannot be meant so."""


class HookSettings(Struct, frozen=True, kw_only=True):
    """`[hooks]`. `on_error`: "defer" or "accept"."""

    timeout: float = 5.0
    on_error: str = "defer"


class PolicySettings(Struct, frozen=True, kw_only=True):
    """`[policy]`. `default`: "defer" or "dunno". `clients`: "strangers" or "all"."""

    default: str = "defer"
    clients: str = "strangers"
    end_of_message: bool = False


class Consultation:
    """One for an Mta. `hooks` is any object with some of the methods of `METHODS`, all of them async."""

    def __init__(
        self,
        *,
        clock: Clock,
        maillog: MailLog,
        hooks: object = None,
        hook_settings: HookSettings | None = None,
        service: PolicyService | None = None,
        policy: PolicySettings | None = None,
    ) -> None:
        self._clock = clock
        self._maillog = maillog
        self._hooks = _hooks_of(hooks)
        self._settings = hook_settings if hook_settings is not None else HookSettings()
        self._service = service
        self._policy = policy if policy is not None else PolicySettings()
        self._is_service_down = False
        self._on_error: Verdicts = ()
        if self._settings.on_error == "defer":
            self._on_error = (Verdict("defer", replies.POLICY_UNAVAILABLE, by="hooks.on_error"),)

    @property
    def stages(self) -> frozenset[str]:
        """Where there is anybody to ask, the dot aside."""
        stages: set[str] = {stage for stage in self._hooks if stage != "dot"}
        return frozenset(stages | {"RCPT"} if self._service is not None else stages)

    @property
    def is_needed(self) -> bool:
        return bool(self._hooks) or self._service is not None

    def asks(self, *, may_relay: bool) -> list[str]:
        """Who would be asked, for people."""
        named = [f"hook {METHODS[stage]}" for stage in self._hooks]
        if self._service is not None and (self._policy.clients == "all" or not may_relay):
            named.insert(0, f"the policy service at {self._service.endpoint}")
        return named

    @property
    def looks_at_content(self) -> bool:
        return "dot" in self._hooks or (self._service is not None and self._policy.end_of_message)

    async def ask(self, about: About) -> Verdicts:
        found: Verdicts = ()
        if about.stage == "RCPT":
            found = await self._ask_service(about)
        hook = self._hooks.get(about.stage)
        if hook is None or any(verdict.refuses is not None for verdict in found):
            return found
        return found + await self._ask_hook(about, hook, about)

    async def inspect(self, about: About, envelope: Envelope, content: Callable[[], AsyncIterator[bytes]]) -> Verdicts:
        found: Verdicts = ()
        if self._policy.end_of_message:
            found = await self._ask_service(about)
        hook = self._hooks.get("dot")
        if hook is None or any(verdict.refuses is not None for verdict in found):
            return found
        return found + await self._ask_hook(about, hook, about, envelope, content())

    # -- hooks -------------------------------------------------------------------------------------------------------

    async def _ask_hook(self, about: About, hook: Hook, *facts: object) -> Verdicts:
        name = METHODS[about.stage]
        try:
            async with Deadline(self._clock, self._settings.timeout):
                found = await hook(*facts)
            return _checked(found, about.stage, f"hook {name}")
        except TimeoutError:
            reason = f"no answer within {self._settings.timeout:g} s"
            self._maillog.note("error", "hook_failed", hook=name, client=about.peer.ip, reason=reason)
        except Exception as error:
            self._maillog.note("error", "hook_failed", hook=name, client=about.peer.ip, error=error)
        return self._on_error

    # -- the service -------------------------------------------------------------------------------------------------

    async def _ask_service(self, about: About) -> Verdicts:
        service, policy = self._service, self._policy
        if service is None or about.is_accepted or (about.peer.may_relay and policy.clients != "all"):
            return ()
        try:
            verdict = await service.ask(about)
        except ServiceFailed as failure:
            if not self._is_service_down:  # once, and not for each recipient
                self._maillog.note("error", "policy_service_failed", service=str(service.endpoint), reason=str(failure))
            self._is_service_down = True
            if policy.default == "dunno":
                return ()
            return (Verdict("defer", replies.POLICY_UNAVAILABLE, by="policy.default"),)
        if self._is_service_down:
            self._is_service_down = False
            self._maillog.note("info", "policy_service_answers", service=str(service.endpoint))
        return () if verdict is None else (verdict,)

    def close(self) -> None:
        if self._service is not None:
            self._service.close()


def _hooks_of(hooks: object) -> dict[Stage, Hook]:
    found: dict[Stage, Hook] = {}
    for stage, name in METHODS.items():
        hook: Any = getattr(hooks, name, None)
        if hook is None:
            continue
        if not inspect.iscoroutinefunction(hook):
            raise InvalidHooks(f"{name} is to be an async method")
        found[stage] = hook
    return found


def _checked(found: object, stage: Stage, by: str) -> Verdicts:
    """What a hook returned, as verdicts; TypeError and ValueError for what none of them can be."""
    if found is None:
        return ()
    if isinstance(found, Reply):
        if found.code < 400:
            raise ValueError(f"a hook refuses with 4yz or 5yz, or returns None; not {found.code}")
        return (Verdict("reject" if found.is_permanent else "defer", found, by=by),)
    if not isinstance(found, Verdict):
        raise TypeError(f"a hook returns None, a Reply or a Verdict, not {type(found).__name__}")
    reply, text = found.reply, found.text
    match found.action:
        case "reject":
            reply = replies.REJECTED_BY_RULE if reply is None else reply
            is_right = reply.is_permanent
        case "defer":
            reply = replies.DEFERRED_BY_RULE if reply is None else reply
            is_right = reply.is_transient
        case "tag":
            is_right = stage not in _EARLY and tag_text(text) is not None
        case "prepend":
            is_right = stage not in (*_EARLY, "dot") and header_line(text) is not None
        case "accept":
            return ()
        case action:
            is_right = stage not in _EARLY and action in ("hold", "discard")
    if not is_right:
        raise ValueError(f"{found!r} makes no sense at {stage}")
    return (Verdict(found.action, reply, text, by=found.by or by),)
