"""The control socket from the start on, and the door behind it from the moment on when somebody rings.

Promises: the socket stands before anybody is told that we are ready, with the mode that `control_socket` promises; who
rings waits in the queue of the kernel until the door is there, and none is turned away; a door that cannot be built is
told of, whoever waited is hung up on, and the next who rings has it tried again (descriptors or memory may have run out
for a moment only); the socket's file is taken away at the end. Mail never waits for any of it.
Never: HTTP, and whatever takes long to import; that is the door's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Protocol

from asyncmta.admin import control_socket


class Closing(Protocol):
    async def close(self) -> None: ...


class Doorbell:
    """One for each running `Mta`. `build`: the open door that has this socket; `on_error` is told where none was."""

    def __init__(
        self,
        path: str,
        *,
        build: Callable[[socket.socket], Awaitable[Closing]],
        on_error: Callable[[str, Exception], None],
    ) -> None:
        self._path = path
        self._build = build
        self._on_error = on_error
        self._socket: socket.socket | None = None  # until the door has it
        self._answering: asyncio.Task[None] | None = None
        self._door: Closing | None = None
        self._is_closing = False

    def hang(self) -> None:
        """Heard from now on; raises SocketTaken or another OSError."""
        self._socket = control_socket.bind(self._path)
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._ring)

    async def close(self) -> None:
        """Safe to call twice."""
        self._is_closing = True
        if self._answering is not None:
            self._answering.cancel()
            await asyncio.wait({self._answering})
        if self._door is not None:
            await self._door.close()
            self._door = None
        self._take_down()

    def _ring(self) -> None:
        if self._answering is None:
            self._answering = asyncio.ensure_future(self._open())

    async def _open(self) -> None:
        assert self._socket is not None, "it rang"
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        try:
            self._door = await self._build(self._socket)
            self._socket = None
        except Exception as error:
            self._on_error("the control socket", error)
            self._take_down()
            if not self._is_closing:
                self._hang_again()

    def _hang_again(self) -> None:
        self._answering = None
        try:
            self.hang()
        except OSError as error:
            self._on_error("the control socket", error)

    def _take_down(self) -> None:
        if self._socket is None:
            return
        if (descriptor := self._socket.fileno()) >= 0:  # a door that failed may have closed it
            asyncio.get_running_loop().remove_reader(descriptor)
        self._socket.close()
        self._socket = None
        with contextlib.suppress(OSError):
            os.unlink(self._path)
