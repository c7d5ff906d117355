"""A network in memory, on the fake clock: connections between transports, with a latency and no loss; and time passing.

Whatever arrives does so on a grid of ticks, all that falls on one tick in the order in which it was sent, so that a
million octet groups cost few timers. `Network.run` moves the clock from one due time to the next, but only when
nothing of this process has anything left to do: no callback is ready, and no thread is at work. Never: a socket.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from asyncmta.testing.clock import FakeClock

TICK = 0.005
LATE = 1e-5  # seconds; a time that has been on the Unix scale is good to a microsecond, and no real timer is exact


class AtOnce(ThreadPoolExecutor):
    """What asyncio gives to threads happens in the same turn: it takes no time of the clock, and its order stands."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **keywords: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **keywords))
        except BaseException as error:
            future.set_exception(error)
        return future


class Network:
    """`is_busy` says whether somebody outside of the loop (the journal's writer) is still at work."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.is_busy: Callable[[], bool] = lambda: False
        self._ticks: dict[int, list[Callable[[], None]]] = {}

    def after(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call it on the first tick that is not before then."""
        tick = math.ceil((self.clock.monotonic() + seconds) / TICK - 1e-6)
        callbacks = self._ticks.get(tick)
        if callbacks is None:
            callbacks = self._ticks[tick] = []
            self.clock.call_at(tick * TICK, lambda: self._arrive(tick))
        callbacks.append(callback)

    def _arrive(self, tick: int) -> None:
        for callback in self._ticks.pop(tick):
            callback()

    async def wait(self, seconds: float) -> None:
        woken = asyncio.Event()
        self.after(seconds, woken.set)
        await woken.wait()

    async def settle(self) -> None:
        """Until nobody has anything to do before time passes. asyncio keeps what is ready in `_ready`."""
        ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
        while True:
            await asyncio.sleep(0)
            if ready:
                continue
            if not self.is_busy():
                return
            await asyncio.sleep(0.0001)  # a thread has no event that says it is done

    async def run(self, until: Callable[[], object], *, limit: float) -> None:
        """From due time to due time; TimeoutError after `limit` seconds of the clock, or when there is nothing more."""
        end = self.clock.monotonic() + limit
        while True:
            await self.settle()
            if until():
                return
            due = self.clock.next_timer()
            if due is None or due > end:
                raise TimeoutError(f"nothing more comes before {end}: {due}")
            self.clock.advance_to(due + LATE)


class End(asyncio.Transport):
    """One end of a connection. `pause`: each write leaves that much later than the one before it (a tarpit)."""

    def __init__(self, network: Network, latency: float, pause: float = 0.0) -> None:
        super().__init__()
        self.peer: End
        self._network = network
        self._latency = latency
        self._pause = pause
        self._free_at = 0.0
        self._protocol: asyncio.BaseProtocol | None = None
        self._is_closing = False
        self._is_lost = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._protocol is not None
        return self._protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._is_closing:
            octets = bytes(data)
            self._send(lambda: self.peer._receive(octets))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        """What was written arrives, and then the end."""
        if not self._is_closing:
            self._is_closing = True
            self._send(self.peer._hear_end)
            asyncio.get_running_loop().call_soon(self._lose)

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self._is_closing

    def pause_reading(self) -> None:
        raise NotImplementedError

    def _send(self, arrive: Callable[[], None]) -> None:
        now = self._network.clock.monotonic()
        self._free_at = max(now, self._free_at) + self._pause
        self._network.after(self._free_at - now + self._latency, arrive)

    def _receive(self, octets: bytes) -> None:
        if not self._is_lost and not self._is_closing:
            assert isinstance(self._protocol, asyncio.Protocol)
            self._protocol.data_received(octets)

    def _hear_end(self) -> None:
        if not self._is_lost and not self._is_closing:
            assert isinstance(self._protocol, asyncio.Protocol)
            self._protocol.eof_received()
            self.close()

    def _lose(self) -> None:
        if not self._is_lost:
            self._is_lost = True
            if self._protocol is not None:
                self._protocol.connection_lost(None)


def connect(network: Network, latency: float, pause: float) -> tuple[End, End]:
    """A connection: our end, and that of a server which pauses before each reply."""
    ours, theirs = End(network, latency), End(network, latency, pause)
    ours.peer, theirs.peer = theirs, ours
    return ours, theirs
