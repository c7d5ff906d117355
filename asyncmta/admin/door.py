"""The sockets of the operator's door: the control socket, and `admin.listen` where it is set.

Promises: a control socket that only its owner can open; no TCP on an address beyond loopback without a token; who says
nothing over TCP, or too slowly, is hung up on; on the way out what is being answered is finished within the grace time,
and the socket's file is taken away. Never: what is answered; that is `api`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from aiohttp import web

from asyncmta.admin import control_socket
from asyncmta.admin.api import Api, OnError, Operated, Pages
from asyncmta.admin.guard import Guard, OpenDoor, is_loopback
from asyncmta.admin.http import PATIENCE
from asyncmta.system.addresses import binding

MAX_HEADER = 8190
MOST_CONNECTIONS = 256  # over TCP
UNREAD = 60.0  # seconds for a client to take what was sent; the kernel looks, and nothing here waits
GRACE = 1.0  # seconds for what is being answered when the door closes


class Nameless(web.Request):
    """A request whose answers do not say what serves them, also where it could not be parsed. aiohttp adds the field
    after everything that is ours; its version is pinned, and a test asks for every kind of answer."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        await super()._prepare_hook(response)
        response.headers.pop("Server", None)


class Door:
    """One for each running `Mta`. `listen` is "" or "ADDRESS:PORT"; port 0 takes a free one. `patience`: seconds for
    the first request of a connection over TCP, and for the beginning of a body. `pages`: what people see over TCP.
    `control`: the control socket, where it stands already."""

    def __init__(
        self,
        mta: Operated,
        *,
        socket_path: str,
        listen: str,
        token: str,
        message_size: int,
        on_error: OnError,
        patience: float = PATIENCE,
        pages: Pages | None = None,
        control: socket.socket | None = None,
    ) -> None:
        self._mta = mta
        self._api = Api(mta, message_size=message_size, on_error=on_error, patience=patience)
        self._patience = patience
        self._pages = pages
        self._socket_path = socket_path
        self._control = control
        self._listen = listen
        self._token = token
        self._runners: list[web.AppRunner] = []
        self.address: tuple[str, int] | None = None  # where TCP is listened on

    async def open(self) -> None:
        """Answer from now on; raises OSError where a socket cannot be had."""
        host, _, port = self._listen.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if self._listen and not self._token and not is_loopback(host):
            raise OpenDoor(f"admin.listen = {self._listen!r} can be reached from elsewhere: set admin.token")
        try:
            await self._serve(self._control or control_socket.bind(self._socket_path), None)
            if self._listen:
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                with binding():
                    sock = socket.create_server((host, int(port)), family=family)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNREAD * 1000))  # for each taken there
                self.address = sock.getsockname()[:2]
                await self._serve(sock, Guard(token=self._token, host=host.lower()))
        except BaseException:
            await self.close()
            raise
        self._mta.observe(True)

    async def _serve(self, sock: socket.socket, guard: Guard | None) -> None:
        runner = web.AppRunner(
            self._api.application(guard, self._pages if guard is not None else None),
            access_log=None,
            logger=_unheard(),
            keepalive_timeout=30,
            auto_decompress=False,  # on the loop, of any stranger, also of a body that nobody reads
            max_line_size=MAX_HEADER,
            max_field_size=MAX_HEADER,
            shutdown_timeout=GRACE,
        )
        self._runners.append(runner)
        await runner.setup()
        if runner.server is not None:
            runner.server.request_factory = partial(runner.app._make_request, _cls=Nameless)
            if guard is not None:
                vars(runner.server)["connection_made"] = partial(self._welcome, runner.server.connection_made)
        await web.SockSite(runner, sock).start()

    def _welcome(self, take: Callable[..., None], handler: Any, transport: asyncio.Transport) -> None:
        """aiohttp waits for ever for the first request of a connection, and takes any number of connections."""
        take(handler, transport)
        if sum(len(runner.server.connections) for runner in self._runners if runner.server) > MOST_CONNECTIONS:
            transport.abort()
            return
        asyncio.get_running_loop().call_later(self._patience, _hang_up, handler, transport)

    async def close(self) -> None:
        """Safe to call twice."""
        mine = bool(self._runners)
        if mine:
            self._mta.observe(False)
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()
        if mine:
            with contextlib.suppress(OSError):
                os.unlink(self._socket_path)


def _hang_up(handler: Any, transport: asyncio.Transport) -> None:
    if not handler._request_count:  # no request came whole; a test shows that this is still so
        transport.abort()


def _unheard() -> logging.Logger:
    """For aiohttp, which writes a traceback for every request that is no HTTP: any stranger could fill a disk with
    them. What is a bug of ours is told by `Api`."""
    logger = logging.Logger("admin")
    logger.addHandler(logging.NullHandler())
    return logger
