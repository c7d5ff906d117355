"""Who may have no mail, from the settings: the sandbox and the suppression list, at the entrance and before transports.

A part of the composition root. Never: a decision.
"""

from __future__ import annotations

from asyncmta.config import Settings
from asyncmta.config_sandbox import sandbox_of
from asyncmta.config_suppression import automatic_of
from asyncmta.delivery.exit_door import ExitDoor, Judge, Stopped
from asyncmta.mail import replies
from asyncmta.mail.address import Address
from asyncmta.mail.outcome import Cause, Delivered, Failed, Scope
from asyncmta.mail.transport import Transport
from asyncmta.maillog import MailLog
from asyncmta.policy.sandbox import Sandbox
from asyncmta.suppression.keeper import Keeper
from asyncmta.system.clock import Clock

LIST = "suppressions.jsonl"  # in the spool, where `suppression.file` says nothing

SANDBOXED = Stopped("sandboxed", Delivered(replies.DISCARDED, discarded=True))
DROPPED = Stopped("suppressed", Delivered(replies.DISCARDED, discarded=True))
REFUSED = Stopped("suppressed", Failed(Cause.POLICY, replies.SUPPRESSED, Scope.RECIPIENT))


def list_file(settings: Settings) -> str:
    """Where the suppression list is."""
    return settings.suppression.file or f"{settings.spool}/{LIST}"


def build_keeper(settings: Settings, *, clock: Clock, maillog: MailLog) -> Keeper:
    automatic = automatic_of(settings.suppression)
    return Keeper(path=list_file(settings), clock=clock, maillog=maillog, automatic=automatic)


def build_exit_door(settings: Settings, *, keeper: Keeper, transport: Transport, maillog: MailLog) -> Transport:
    sandbox = sandbox_of(settings.sandbox)
    if sandbox is not None:
        maillog.note("warning", "sandbox", advice="mail does not go where it is addressed", settings=str(sandbox))
    judge = _judge(sandbox, keeper, refuses=settings.suppression.action == "refuse")
    return ExitDoor(judge=judge, transport=transport, maillog=maillog)


def _judge(sandbox: Sandbox | None, keeper: Keeper, *, refuses: bool) -> Judge:
    def judge(recipient: Address, sender: Address | None) -> Stopped | None:
        if sandbox is not None and not sandbox.allows(recipient):
            return SANDBOXED
        if keeper.of(recipient) is None:
            return None
        # Of a report nobody is told that it did not arrive.
        return REFUSED if refuses and sender is not None else DROPPED

    return judge


def warnings_of(settings: Settings) -> list[str]:
    """What whoever asks how the MTA is should know, although nothing is wrong with it."""
    sandbox = sandbox_of(settings.sandbox)
    return [] if sandbox is None else [str(sandbox)]
