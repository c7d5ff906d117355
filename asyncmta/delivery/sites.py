"""A site at work: its backlog, its sessions, and what follows when one of them ends.

Sessions pull: each takes the next transaction from the backlog in the turn in which it finished one, rests for some
seconds when there is none, and is used again. A session that dies at the moment of reuse, before the peer has said
anything, costs nobody anything: its transaction goes to a new connection. Promises: `done` exactly once for every
consignment that joined. Never: DNS for domains, a decision about the next attempt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from asyncmta.delivery.backlog import Backlog, Done, Transaction, plan
from asyncmta.delivery.equipment import Equipment, SiteView
from asyncmta.delivery.exchange import Site
from asyncmta.delivery.session import Opened
from asyncmta.delivery.transfer import Session
from asyncmta.delivery.verdict import Fault, Stage, blame
from asyncmta.mail.envelope import Consignment, ContentUnavailable
from asyncmta.mail.outcome import Cause, Deferred, Failed, Outcome, Postponed, Scope
from asyncmta.mail.reply import reply

MOST_RETURNS = 3


class ActiveSite:
    __slots__ = (
        "_equipment",
        "_idle",
        "_is_closing",
        "_last_failure",
        "_messages",
        "_sessions",
        "backlog",
        "last_used",
        "site",
    )

    def __init__(self, site: Site, equipment: Equipment) -> None:
        settings = equipment.dialer.settings
        self.site = site
        self.backlog = Backlog(settings.sessions_per_site, settings.recipients_per_transaction)
        self.last_used = equipment.clock.monotonic()
        self._equipment = equipment
        self._messages = settings.messages_per_session
        self._sessions: set[Session] = set()
        self._idle: list[Session] = []
        self._last_failure: Failed | Deferred | None = None
        self._is_closing = False

    # -- what the transport calls ------------------------------------------------------------------------------------

    def join(self, consignments: Sequence[Consignment], done: Done) -> None:
        """Take consignments of one message; they are on their way, or wait, when this returns."""
        backlog = self.backlog
        self.last_used = now = self._equipment.clock.monotonic()
        if backlog.suspended_until > now or self._is_closing:
            postponed = self._postponed()
            for consignment in consignments:
                done(consignment, postponed)
            return
        for transaction in plan(consignments, done, backlog.most_recipients):
            if self._idle and not backlog.waiting:
                self._serve(self._idle.pop(), transaction)
            else:
                backlog.join(transaction)
        if backlog.waiting:
            self._open_more()

    def sweep(self, now: float) -> None:
        """End what is past its deadline."""
        for session in tuple(self._sessions):
            if session.deadline <= now:
                session.expire()

    def close(self) -> None:
        """Leave idle sessions politely, break off the others; what they did is not recorded, as after a crash."""
        self._is_closing = True
        postponed, instead = self._postponed(), self._instead()
        for session in tuple(self._sessions):
            if session.transaction is None:
                session.quit()
            else:
                self.backlog.waiting.append(session.transaction)
                session.abandon()
        self._sessions.clear()
        self._idle.clear()
        for transaction in self.backlog.drain():
            transaction.postpone(postponed, instead)

    @property
    def has_sessions(self) -> bool:
        return bool(self._sessions)

    def may_be_dropped(self, now: float, unused_for: float) -> bool:
        """Nothing is going on here, and nothing worth remembering."""
        return self.backlog.is_idle and now - max(self.last_used, self.backlog.suspended_until) > unused_for

    def view(self) -> SiteView:
        backlog, clock = self.backlog, self._equipment.clock
        suspended = backlog.suspended_until > clock.monotonic()
        return SiteView(
            key=self.site.key,
            hosts=tuple(exchanger.host for exchanger in self.site.exchangers),
            waiting=len(backlog.waiting),
            sessions=backlog.live,
            idle=len(self._idle),
            opening=backlog.opening,
            window=backlog.window,
            suspended_until=self._postponed().until if suspended else None,
            last_failure=str(self._last_failure.reply) if self._last_failure is not None else "",
        )

    # -- what sessions call ------------------------------------------------------------------------------------------

    def finished(self, session: Session, transaction: Transaction) -> None:
        """The next one first, so that the peer has work while we settle this one."""
        backlog, dialogue = self.backlog, session.dialogue
        outcomes = dialogue.outcomes
        seconds = self._equipment.clock.monotonic() - session.began
        if dialogue.usable:
            backlog.succeeded()
            if session.served < self._messages:
                self._serve(session, backlog.take())
            else:
                session.quit()
                self._part(session)
        elif self._goes_to_another(session, transaction):
            return
        self._tell(transaction, outcomes, seconds)
        if backlog.waiting:
            self._open_more()

    def gone(self, session: Session) -> None:
        self._idle.remove(session)
        self._part(session)

    def broke(self, error: Exception) -> None:
        self._equipment.maillog.note("error", "internal_error", error=error, site=self.site.key)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _serve(self, session: Session, transaction: Transaction | None) -> None:
        """Give the session this transaction, or the next one that can be begun; else let it rest."""
        while transaction is not None:
            outcomes = self._begin(session, transaction)
            if outcomes is None:
                return
            # Later, and not from here: whoever is told may at once send the next, and so on without end.
            asyncio.get_running_loop().call_soon(self._settle, transaction, outcomes)
            transaction = None if session.is_over else self.backlog.take()
        if session.is_over or self.backlog.waiting or self._is_closing:
            session.quit()  # there are more sessions than the window allows
            self._part(session)
        else:
            session.rest()
            self._idle.append(session)

    def _begin(self, session: Session, transaction: Transaction) -> Mapping[int, Outcome] | None:
        """None: it is under way. Else its outcomes, and the session is as free as before."""
        try:
            content = self._equipment.read_content(transaction.consignment.queue_id)
            return None if session.start(transaction, content) else session.dialogue.outcomes
        except ContentUnavailable as error:
            outcome = blame(Stage.MAIL, Fault.CONTENT, str(error))
        except Exception as error:
            self.broke(error)
            session.abandon()
            outcome = blame(Stage.MAIL, Fault.INTERNAL)
        return dict.fromkeys(transaction.ordinals, outcome)

    def _goes_to_another(self, session: Session, transaction: Transaction) -> bool:
        """The session is over. True: nothing of the transaction was heard on it, and another one will take it."""
        backlog, dialogue = self.backlog, session.dialogue
        self._part(session)
        is_reused = session.served > 1
        if not (dialogue.is_unheard and dialogue.is_cut_off):
            backlog.slow_down()
            return False
        if transaction.returns < MOST_RETURNS and (is_reused or backlog.live):
            if is_reused:
                # What closed this one while it rested has closed its sisters too.
                while self._idle:
                    sister = self._idle.pop()
                    sister.quit()
                    self._part(sister)
            else:
                backlog.slow_down()
            backlog.give_back(transaction)
            while self._idle and backlog.waiting:  # they count as live, so that the window may allow no new one
                self._serve(self._idle.pop(), backlog.take())
            self._open_more()
            return True
        if backlog.turned_away(self._equipment.clock.monotonic()):
            reason = next(outcome for outcome in dialogue.outcomes.values() if isinstance(outcome, Deferred))
            self._suspend(reason, 0)
        return False

    def _open_more(self) -> None:
        while self.backlog.may_open and not self._is_closing:
            self._equipment.spawn(self._open(self.backlog.begin_opening()))

    async def _open(self, mark: int) -> None:
        """Open one session, for whoever waits; `mark` tells who waited when it began."""
        backlog = self.backlog
        try:
            result = await self._equipment.dialer.dial(self.site)
        except Exception as error:
            self.broke(error)
            result = blame(Stage.CONNECT, Fault.INTERNAL)
        except BaseException:
            backlog.not_opened()
            raise
        if isinstance(result, Opened):
            backlog.opened()
            session = self._equipment.session(result, self)
            self._sessions.add(session)
            self._equipment.watch()
            self._serve(session, backlog.take())
            self._open_more()  # a bug may have cost this one at once
            return
        backlog.not_opened()
        if backlog.turned_away(self._equipment.clock.monotonic()):
            self._suspend(result, mark)

    def _suspend(self, outcome: Failed | Deferred, mark: int) -> None:
        """Nobody is inside. Who waited when the attempt began shares its outcome; who came later was not tried."""
        self._last_failure = outcome
        postponed, instead = self._postponed(), self._instead()
        self._equipment.maillog.note(
            "warning",
            "site_suspended",
            site=self.site.key,
            seconds=round(postponed.until - self._equipment.clock.now()),
            reason=str(outcome.reply),
            waiting=len(self.backlog.waiting),
        )
        for transaction in self.backlog.drain():
            if transaction.joined <= mark:
                self._settle(transaction, dict.fromkeys(transaction.ordinals, outcome))
            else:
                transaction.postpone(postponed, instead)

    def _tell(self, transaction: Transaction, outcomes: Mapping[int, Outcome], seconds: float) -> None:
        """One line for the transaction, then its consequences."""
        consignment = transaction.consignment
        first = next(iter(outcomes.values()))
        try:
            self._equipment.maillog.attempt(
                queue_id=consignment.queue_id,
                destination=consignment.destination,
                place=first.place,
                recipients=len(outcomes),
                seconds=seconds,
                reply=first.reply,
            )
        except Exception as error:
            self.broke(error)
        self._settle(transaction, outcomes)

    def _settle(self, transaction: Transaction, outcomes: Mapping[int, Outcome]) -> None:
        try:
            transaction.settle(outcomes)
        except Exception as error:  # a bug of whoever is told must not take the session with it
            self.broke(error)

    def _part(self, session: Session) -> None:
        self._sessions.discard(session)
        self.backlog.closed()

    def _postponed(self) -> Postponed:
        clock = self._equipment.clock
        left = max(0.0, self.backlog.suspended_until - clock.monotonic())
        reason = "stopping" if self._is_closing else f"suspended: {self._why()}"
        return Postponed(clock.now() + left, reason)

    def _instead(self) -> Deferred:
        """For recipients that were not tried, of a consignment that was tried in part."""
        if isinstance(self._last_failure, Deferred):
            return self._last_failure
        return Deferred(Cause.CONNECT, reply(451, "4.4.1", f"not tried: {self._why()}"), Scope.SITE)

    def _why(self) -> str:
        return str(self._last_failure.reply) if self._last_failure is not None else "stopping"
