"""A whole MTA under random traffic, with next hops in random moods, a disk that dies at random steps, and restarts.

All that chance decides comes from one seed. Sockets and threads are real, so that two runs of a seed are alike and not
the same; the accounts have to close in each of them.
"""

from __future__ import annotations

import asyncio
import errno
import random
from collections.abc import Callable
from contextlib import suppress

from asyncmta.spool.store import JournalFailed, SpoolRefused
from asyncmta.system.disk import NO_LIMIT
from asyncmta.testing.disk_faults import PowerCut
from tests.incidents.incidentkit import ROUNDING, House, World
from tests.simulation.accounts import Accounts, Delivery
from tests.simulation.clients import Clients
from tests.simulation.moods import MoodySink

STEPS = 40
PLENTY = 1 << 40

# What the log may never say while the disk is well: each of them is a bug of ours.
BUGS = {
    "internal_error",
    "session_failed",
    "accepted_failed",
    "settled_twice",
    "transport_failed",
    "recall_failed",
    "load_failed",
    "report_failed",
    "spool_illegal_transition",
    "large_content_failed",
    "spool_scrub_found",
    "spool_scrub_failed",
}


class Simulation:
    def __init__(self, seed: int) -> None:
        # Each has dice of its own, so that what one draws does not depend on how fast another one is.
        self.chance, self.fate, *self._dice = (random.Random(f"{seed} {number}") for number in range(6))
        self.world = World()
        self.accounts = Accounts()
        self.life = 0
        self.story: list[str] = []
        self.faults: list[str] = []
        self._log_began = 0  # octets that were in the log when this life began
        self._strike = 0  # the step of the disk at which it dies

    async def run(self) -> list[str]:
        """What does not close; empty when all is well."""
        asyncio.get_running_loop().set_exception_handler(self._on_error)
        try:
            await self._begin()
            for _ in range(STEPS):
                await self._step()
            await self._heal()
            return self.faults + self._audit()
        finally:
            await self.clients.close()
            await self.world.close()

    async def _begin(self) -> None:
        world = self.world
        self.house: House = world.house("a.example", queue={"bounce_lifetime": "4d", "min_free_space": "1MiB"})
        self.clients = Clients(self.house, self.accounts.letters, self.chance)
        self.sinks = []
        for number, domains in enumerate((["r0.example"], ["r1.example"], ["r2.example", "r3.example"], ["s.example"])):
            sink = MoodySink(
                world.address(),
                world.port,
                chance=self._dice[number],
                life=lambda: self.life,
                kind="s.example" in domains,
            )
            await sink.start()
            world.sinks.append(sink)
            self.sinks.append(sink)
            world.name(f"mx{number}.example", sink._wanted[0], *domains)
        await self.house.open()

    def _on_error(self, _loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        if not isinstance(error, PowerCut | OSError | JournalFailed):
            self.faults.append(f"the loop heard of {context}")

    # -- what happens ------------------------------------------------------------------------------------------------

    async def _step(self) -> None:
        chance = self.chance
        actions: list[tuple[int, Callable[[], object]]] = [
            (10, self.clients.write),
            (6, self._pass_time),
            (4, self._flush),
            (3, self._operate),
            (1, self._fill_disk),
            (1, self._trouble_mailboxes),
            (2, self._plan_death),
            (1, self._crash),
            (1, self._stop),
        ]
        action = chance.choices([action for _, action in actions], [weight for weight, _ in actions])[0]
        done = action()
        if asyncio.iscoroutine(done):
            await done
        for _ in range(chance.randrange(40)):
            await asyncio.sleep(0)
        if chance.random() < 0.3:
            await asyncio.sleep(0.001)  # for the threads
        if self._strike and self.house.disk.steps >= self._strike:
            await self._crash()

    async def _pass_time(self) -> None:
        seconds = self.chance.choice([0.03, 0.03, 1.0, 30.0, 70.0, 500.0, 2000.0])
        self.story.append(f"{seconds} s pass")
        await self._elapse(seconds)

    async def _elapse(self, seconds: float) -> None:
        end = self.world.clock.now() + seconds
        while (left := end - self.world.clock.now()) > 0:
            # A reply that is on its way arrives in no time, whatever falls due meanwhile.
            due = self.house.mta.next_due() or end
            until_due = max(0.0, due - self.world.clock.now()) + ROUNDING
            await self.world.advance(min(left, until_due, 400.0))
            await self.world.soon(lambda: not any(sink.is_busy for sink in self.sinks))
            await self.world.clock.settle()

    async def _flush(self) -> None:
        """All that was said to be delivered so far is durable, if the disk says so."""
        said = self._delivered()
        try:
            await self.house.mta.rooms.store.flush()
        except JournalFailed:
            return
        self.accounts.record(said, self.life)

    def _delivered(self) -> set[Delivery]:
        """What this life has said it delivered."""
        lines = self.house.events("delivered", self._log_began)
        return {(line["queue_id"], line["recipient"]) for line in lines}

    async def _operate(self) -> None:
        """An operator's hand in it."""
        mta, chance = self.house.mta, self.chance
        with suppress(JournalFailed):
            match chance.randrange(4):
                case 0:
                    await mta.retry()
                case 1 if rows := mta.queue():
                    await mta.hold([chance.choice(rows).queue_id])
                case 2:
                    await mta.release()
                case _:
                    await mta.retry(domain="r1.example")

    def _fill_disk(self) -> None:
        full = self.house.disk.free[0] == PLENTY
        self.house.disk.free = (0 if full else PLENTY, NO_LIMIT)

    def _trouble_mailboxes(self) -> None:
        self.house.disk.fail_at(1, errno.EIO, only=("link",))

    def _plan_death(self) -> None:
        """The disk takes nothing any more from a step that is to come; often a sync, the most delicate of all."""
        if self._strike:
            return
        disk, chance = self.house.disk, self.chance
        ahead = chance.randrange(1, 40)
        if chance.random() < 0.5:
            disk.fail_at(1, errno.EIO, for_good=True, only=("fdatasync",))
            ahead = 1
        disk.fail_at(ahead, errno.EIO, for_good=True)
        self._strike = disk.steps + ahead
        self.story.append(f"the disk dies {ahead} steps from here")

    async def _crash(self) -> None:
        await self._let_nobody_in()
        how = self.fate.choice(["kill", "cut", "cut and lose"])
        self.story.append(f"{how}, at the end of life {self.life}")
        self._look_for_bugs()
        self._strike = 0
        match how:
            case "kill":
                await self.house.kill()
            case "cut":
                await self.house.cut_power(self.fate.randrange(1 << 30))
            case _:
                await self.house.cut_power()
        await self._restart()

    async def _stop(self) -> None:
        if self._strike:
            return
        self.story.append(f"a clean stop, at the end of life {self.life}")
        await self._let_nobody_in()
        await self.house.close(self.chance.choice([0.0, 30.0]))
        if not self.house.mta.alive() and self.house.disk.free[0]:
            self.accounts.record(self._delivered(), self.life)
        await self._restart()

    async def _let_nobody_in(self) -> None:
        """No client connects from now on, and whoever just has is in: asyncio before 3.13 loses a connection that it
        is accepting when its server is closed (tests/incidents/test_drain.py)."""
        self.house.is_open = False
        await self.world.clock.settle(5)

    async def _restart(self) -> None:
        self.life += 1
        house = self.house
        house.disk.heal()
        house.disk.free = (PLENTY, NO_LIMIT)
        while self.fate.random() < 0.3:  # it dies while it reads its journal
            house.disk.fail_at(self.fate.randrange(1, 30), errno.EIO, for_good=True)
            try:
                await house.open()
            except (OSError, JournalFailed, SpoolRefused):
                house.disk = house.disk.crash(self.fate.randrange(1 << 30))
            else:
                house.disk.heal()
                await house.kill()
                house.mta.maillog.flush()
            self.story.append("another death at the start")
            self.life += 1
        house.mta.maillog.flush()
        self._log_began = len(house.log.getvalue())
        await house.open()
        if house.mta.recovery is not None and house.mta.recovery.damaged:
            found = house.mta.rooms.store.damaged()
            self.faults.append(f"life {self.life} found damage where there was only a crash: {found}")

    def _look_for_bugs(self) -> None:
        """The log of this life, as long as its disk was well."""
        self.house.mta.maillog.flush()
        if self.house.mta.alive() or (self._strike and self.house.disk.steps >= self._strike):
            return
        for event in BUGS:
            for line in self.house.events(event, self._log_began):
                if "No space left" not in line.get("error", ""):
                    self.faults.append(f"life {self.life}: {line}")

    # -- the end -----------------------------------------------------------------------------------------------------

    async def _heal(self) -> None:
        """All are in good mood; whatever waits comes to its end."""
        if self._strike:
            await self._crash()
        self.house.disk.heal()
        self.house.disk.free = (PLENTY, NO_LIMIT)
        await self.house.mta.release()
        for sink in self.sinks:
            sink.temper = 0.0
        for _ in range(3):
            await self.world.advance(2.0)
            await asyncio.sleep(0.001)
        async with asyncio.timeout(20):
            await self.clients.finish()
        while any(sink.is_mute for sink in self.sinks):
            await self._elapse(660.0)
        await self._elapse(70.0)  # reports that found no room are tried again after a minute
        await self.world.run()
        self._look_for_bugs()

    def _audit(self) -> list[str]:
        house = self.house
        waiting = {(row.queue_id, one.address) for row in house.mta.queue() for one in row.recipients}
        stuck = [f"{row.queue_id} is stuck: {row}" for row in house.mta.queue()]
        ends = [line for event in ("failed", "expired") for line in house.events(event)]
        letters = self.accounts.letters.values()
        untold = {queue_id for letter in letters if not letter.sender for queue_id, _ in letter.promises}
        discarded = {(line["queue_id"], line["recipient"]) for line in ends if line["queue_id"] in untold}
        mailboxes = {}
        for path, octets in house.disk.tree().items():
            match path.split("/"):
                case ["mail", domain, user, "new", _]:
                    mailboxes.setdefault(f"{user}@{domain}", []).append(octets)
        return stuck + self.accounts.faults(self.sinks, mailboxes, waiting=waiting, discarded=discarded)
