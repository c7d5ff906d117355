"""A mail log that tells somebody of refusals, which are in no journal. Never: a line that is different for that."""

from __future__ import annotations

from collections.abc import Callable

from asyncmta.mail.address import Address
from asyncmta.mail.reply import Reply
from asyncmta.maillog import MailLog
from asyncmta.webhooks.events import Refusal


class TellingLog(MailLog):
    """`on_refused` hears of each; None: nobody does."""

    on_refused: Callable[[Refusal], None] | None = None

    def refused_by(
        self,
        by: str,
        *,
        client: str,
        stage: str,
        reply: Reply,
        helo: str,
        paths: tuple[Address | str | None, Address | str | None],
    ) -> None:
        super().refused_by(by, client=client, stage=stage, reply=reply, helo=helo, paths=paths)
        if self.on_refused is not None:
            self.on_refused(Refusal(client, stage, reply, by, paths))
