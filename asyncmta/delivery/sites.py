"""A site at work: its backlog, its sessions, and what follows when one of them ends.

Sessions pull: each takes the next transaction from the backlog in the turn in which it finished one, first what
stands behind that one; it rests for some seconds when there is none, and is used again. A session that dies at the
moment of reuse, before the peer has said anything, costs nobody anything: its transaction goes to a new connection.
Promises: each leg that joined is settled or goes on to another site, once. Never: DNS for domains, a decision about
the next attempt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from asyncmta.delivery.aftermath import again, cut, learn
from asyncmta.delivery.backlog import Backlog
from asyncmta.delivery.beginning import begin, say_ahead, take_back
from asyncmta.delivery.endings import Endings
from asyncmta.delivery.equipment import Equipment, SiteView
from asyncmta.delivery.exchange import Site
from asyncmta.delivery.pace import Pace
from asyncmta.delivery.sequel import Facts, Sequel, follow, needs_sequel
from asyncmta.delivery.session import Opened
from asyncmta.delivery.standing import Standing
from asyncmta.delivery.stride import Stride
from asyncmta.delivery.transaction import Done, Leg, Parcel, Transaction, plan
from asyncmta.delivery.transfer import Session
from asyncmta.delivery.verdict import Fault, Stage, blame
from asyncmta.delivery.way import Way, is_mute
from asyncmta.mail.envelope import Consignment
from asyncmta.mail.outcome import Deferred

MOST_RETURNS = 3
LONGEST_SESSION = 300.0


class ActiveSite:
    __slots__ = (
        "_endings", "_equipment", "_habit", "_idle", "_is_closing", "_messages", "_sessions",
        "_standing", "_stride", "backlog", "broke", "last_used", "site",
    )  # fmt: skip

    def __init__(self, site: Site, equipment: Equipment) -> None:
        settings = equipment.dialer.settings
        self.site = site
        self.last_used = equipment.clock.monotonic()
        self._equipment = equipment
        self._habit = equipment.habits.of(site, self.last_used)
        rule = equipment.habits.rule_of(site)
        most_sessions = settings.sessions_per_site if rule is None else rule.most_sessions or settings.sessions_per_site
        pace = Pace(rule.messages, rule.seconds) if rule is not None and rule.messages else None
        self.backlog = Backlog(most_sessions, self._habit.shape, pace)
        self._standing = Standing(self.backlog, equipment.clock)
        self._endings = Endings(site, equipment, self._standing)
        self.broke = self._endings.broke
        self._messages = settings.messages_per_session
        self._sessions: dict[Session, float] = {}  # and when it began
        self._idle: list[Session] = []
        self._is_closing = False
        self._stride = Stride(self.last_used)

    # -- what the transport calls ------------------------------------------------------------------------------------

    def take_whole(self, consignment: Consignment, way: Way, done: Done) -> None:
        """Take a consignment that begins its way here; it goes, or waits, when this returns."""
        backlog = self.backlog
        self.last_used = now = self._equipment.clock.monotonic()
        size, shape = len(consignment.ordinals), backlog.shape
        is_one = size == 1 or (size <= shape.most_recipients and not shape.most_domains)
        if not is_one or backlog.suspended_until > now or self._is_closing or now >= self._habit.until:
            self.join([Leg(Parcel(consignment, way, done), consignment.ordinals)])
        elif (
            self._idle and backlog.is_clear and self._is_wanted(now, 1) and size == len(consignment.envelope.recipients)
        ):
            self._serve(self._idle.pop(), Transaction(consignment, way, done))
        else:
            backlog.join(Transaction(consignment, way, done))
            self._work()

    def join(self, legs: Sequence[Leg]) -> None:
        """Take legs of one message; they go, or wait, when this returns."""
        backlog = self.backlog
        self.last_used = now = self._equipment.clock.monotonic()
        if self._is_closing or backlog.suspended_until > now:
            self._endings.pass_by(legs)
            return
        if now >= self._habit.until:
            self._look_up_habit()
        for transaction in plan(legs, backlog.shape):
            backlog.join(transaction)
        self._work()

    def sweep(self, now: float) -> None:
        """End what is past its deadline."""
        for session in tuple(self._sessions):
            if session.deadline <= now:
                session.expire()
        take_back(self.backlog, self._sessions, now, is_idle=bool(self._idle))
        if self.backlog.waiting:
            self._stride.look(now)
            self._work()

    def close(self) -> None:
        """Leave idle sessions politely, break off the others; what they did is not recorded, as after a crash."""
        self._is_closing = self._standing.is_closing = True
        for session in tuple(self._sessions):
            if session.transaction is None:
                session.quit()
            else:
                self.backlog.waiting += session.transaction, *session.recalled()
                session.abandon()
        self._sessions.clear()
        self._idle.clear()
        self._endings.postpone(self.backlog.drain())

    def let_go(self) -> None:
        """Take nothing more; what waits, and what sessions have begun without any content yet, is postponed."""
        self._is_closing = self._standing.is_closing = True
        for session in tuple(self._sessions):
            transaction = session.transaction
            if transaction is not None and session.is_before_content:
                session.abandon()
                self._part(session)
                self.backlog.waiting.append(transaction)
            self.backlog.waiting += session.recalled()
        self._endings.postpone(self.backlog.drain())

    @property
    def needs_sweep(self) -> bool:
        return bool(self._sessions) or (self.backlog.pace is not None and bool(self.backlog.waiting))

    def may_be_dropped(self, now: float, unused_for: float) -> bool:
        """Nothing is going on here, and nothing worth remembering."""
        backlog = self.backlog
        is_owed = backlog.pace is not None and backlog.pace.is_owed(now)  # a rate is none if it is forgotten
        return backlog.is_idle and not is_owed and now - max(self.last_used, backlog.suspended_until) > unused_for

    def view(self) -> SiteView:
        return self._standing.view(self.site, len(self._idle))

    # -- what sessions call ------------------------------------------------------------------------------------------

    def finished(self, session: Session, transaction: Transaction) -> None:
        """The next one first, so that the peer has work while we settle this one."""
        backlog, dialogue = self.backlog, session.dialogue
        outcomes = dialogue.outcomes
        began, now = session.began, session.heard
        self._stride.ended(began, now)
        if not dialogue.usable:
            backlog.waiting.extendleft(session.recalled())
            if self._goes_to_another(session, transaction):
                return
        sequel = None  # mostly the outcomes are all there is
        if needs_sequel(outcomes) or transaction.is_suspected:
            sequel = self._sequel(session, transaction)
        if sequel is not None and sequel.again:
            backlog.waiting.appendleft(again(backlog, transaction, sequel))
        else:
            backlog.ended(transaction)
        if dialogue.usable:
            backlog.succeeded(is_too_much=sequel is not None and sequel.is_told_off)
            follower = session.follow()
            if follower is not None or self._lasts(session, now):
                self._serve(session, follower or backlog.take(now))
            else:
                session.quit()
                self._part(session)
        self._endings.tell(transaction, outcomes, now - began)
        self._endings.settle(transaction, outcomes, sequel, dialogue.place.host)
        if backlog.waiting:
            self._work()

    def following(self, session: Session) -> bytes:
        may_be = self.backlog.waiting and self._stride.is_brisk and not self._is_closing
        return say_ahead(self.backlog, session) if may_be and self._lasts(session, session.began, 1) else b""

    def gone(self, session: Session) -> None:
        self._idle.remove(session)
        self._part(session)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Somebody waits: those who rest take him, or others are opened."""
        backlog, now = self.backlog, self._equipment.clock.monotonic()
        if backlog.pace is not None:
            self._equipment.watch(self)
        elif not self._is_wanted(now):
            return
        # Who rests counts as live, so that the window may allow no new one.
        while self._idle and backlog.waiting and backlog.has_turn(now) and self._is_wanted(now):
            self._serve(self._idle.pop(), backlog.take(now))
        while backlog.may_open and backlog.has_turn(now) and not self._is_closing and self._is_wanted(now):
            self._equipment.spawn(self._open(backlog.begin_opening()))

    def _is_wanted(self, now: float, more: int = 0) -> bool:
        """Is another session at work of use for those who wait, and for so many more?"""
        backlog = self.backlog
        return not self._stride.is_enough(len(backlog.waiting) + more, backlog.live - len(self._idle), now)

    def _serve(self, session: Session, transaction: Transaction | None) -> None:
        """Give the session this transaction, or the next one that can be begun; else let it rest."""
        peer = session.dialogue.peer
        while transaction is not None:
            if len(transaction.ordinals) > 1:
                transaction = cut(self.backlog, transaction, peer)
            outcomes = begin(session, transaction, self._equipment.read_content, self.broke)
            if outcomes is None:
                return
            # Later, and not from here: whoever is told may at once send the next, and so on without end.
            asyncio.get_running_loop().call_soon(self._endings.settle, transaction, outcomes)
            self.backlog.ended(transaction)
            transaction = None if session.is_over else self.backlog.take(self._equipment.clock.monotonic())
        if session.is_over or self.backlog.is_crowded or self._is_closing:
            session.quit()  # there are more sessions than the window allows
            self._part(session)
        else:
            session.rest()
            self._idle.append(session)

    def _goes_to_another(self, session: Session, transaction: Transaction) -> bool:
        """The session is over. True: nothing of the transaction was heard on it, and another one will take it."""
        backlog, dialogue, is_reused = self.backlog, session.dialogue, session.served > 1
        self._part(session)
        self._stride.may_say_ahead &= not (session.is_ahead and dialogue.is_unheard)
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
            self._work()
            return True
        backlog.ended(transaction)
        reason = next(outcome for outcome in dialogue.outcomes.values() if isinstance(outcome, Deferred))
        if len(self.site.exchangers) > 1:
            self._equipment.dialer.strike(self.site, dialogue.place.host, reason)
            backlog.slow_down()
        elif backlog.turned_away(self._equipment.clock.monotonic()):
            self._endings.suspend(backlog.drain(), reason, 0, 0.0)
        return False

    async def _open(self, mark: int) -> None:
        """Open one session, for whoever waits; `mark` tells who waited when it began."""
        backlog, clock, traffic = self.backlog, self._equipment.clock, self._equipment.traffic
        began = clock.monotonic()
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
            traffic.opened(result.place, verified=result.is_verified, seconds=clock.monotonic() - began)
            session = self._equipment.session(result, self)
            self._sessions[session] = clock.monotonic()
            self._equipment.watch(self)
            self._serve(session, backlog.take(clock.monotonic()))
            self._work()  # a bug may have cost this one at once
            return
        backlog.not_opened()
        traffic.failed(result.cause.name.lower())
        if backlog.turned_away(clock.monotonic()):
            spent = clock.monotonic() - began if is_mute(result) else 0.0
            self._endings.suspend(backlog.drain(), result, mark, spent)

    def _sequel(self, session: Session, transaction: Transaction) -> Sequel:
        """What else is to be done; and what was learned is remembered."""
        dialogue, mode = session.dialogue, self._equipment.dialer.settings.next_mx_on_4xx
        facts = Facts(dialogue.usable, dialogue.is_unheard, dialogue.is_unsure, mode)
        sequel = follow(transaction.legs(), dialogue.outcomes, facts)
        if dialogue.is_unsure:
            self._endings.doubt(transaction, dialogue.outcomes, dialogue.place.host)
        if learn(self._equipment.habits, self._equipment.clock.monotonic(), transaction, session, sequel):
            self._look_up_habit()
        return sequel

    def _look_up_habit(self) -> None:
        self._habit = self._equipment.habits.of(self.site, self._equipment.clock.monotonic())
        self.backlog.shape = self._habit.shape

    def _lasts(self, session: Session, now: float, more: int = 0) -> bool:
        """May the session have another message now, or when it has had so many more?"""
        most = session.dialogue.peer.most_messages or self._messages
        return now - self._sessions[session] < LONGEST_SESSION and session.served + more < most

    def _part(self, session: Session) -> None:
        self._sessions.pop(session, None)
        self.backlog.closed()
