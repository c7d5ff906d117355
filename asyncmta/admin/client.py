"""A small client of the control socket for the command line: synchronous, standard library only, quick to import.

Promises: one connection for each request; three ends only: an answer, `Refused` with what the MTA said, `NotRunning`.
Never: a decision about what to do when the MTA is not there.
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlencode

import msgspec

from asyncmta.admin import control_socket

CHUNK = 65536
DROP_FILE = "application/vnd.asyncmta.drop"  # a message with its envelope: `inbound/drop_file`


class NotRunning(Exception):
    """Nobody answers at the control socket."""


class NotAllowed(NotRunning):
    """The control socket is not ours to open, so whether anybody answers there is not known."""


class Refused(Exception):
    """The MTA answered, and it was an error. `faults`: all of them, where settings have several."""

    def __init__(self, status: int, code: str, message: str, faults: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.faults = tuple(faults)


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path
        self._limit = timeout

    def connect(self) -> None:
        self.sock: socket.socket = control_socket.connect(self._path, timeout=self._limit)


class ControlClient:
    """Speaks to the MTA whose control socket is at `path`."""

    def __init__(self, path: str, *, timeout: float = 60.0) -> None:
        self.path = path
        self._timeout = timeout

    def get(self, path: str, query: Iterable[tuple[str, str]] = ()) -> Any:
        return self._json("GET", path, query)

    def post(self, path: str, value: object) -> Any:
        return self._json("POST", path, (), msgspec.json.encode(value), "application/json")

    def delete(self, path: str, query: Iterable[tuple[str, str]] = ()) -> Any:
        return self._json("DELETE", path, query)

    def submit(self, reverse_path: str | None, recipients: Iterable[str], content: bytes) -> str:
        """Hand over a message; its queue id, once it is durable."""
        query = [("from", reverse_path or ""), *(("to", recipient) for recipient in recipients)]
        found: str = self._json("POST", "/v1/messages", query, content, "message/rfc822")["queue_id"]
        return found

    def hand_over(self, file: bytes) -> str:
        """The same for a message in the form of the drop directory."""
        found: str = self._json("POST", "/v1/messages", (), file, DROP_FILE)["queue_id"]
        return found

    def stream(self, path: str) -> Iterator[bytes]:
        """The body in chunks; raises NotRunning when it breaks off."""
        response = self._send("GET", path)
        try:
            while chunk := response.read(CHUNK):
                yield chunk
        except (OSError, http.client.HTTPException) as error:
            raise NotRunning(f"the answer broke off: {error}") from None
        finally:
            response.close()

    def lines(self, path: str, query: Iterable[tuple[str, str]] = ()) -> Iterator[bytes]:
        """The body line by line, as it comes; raises NotRunning when it breaks off, or when nothing comes for long."""
        response = self._send("GET", f"{path}?{urlencode(list(query))}")
        try:
            while line := response.readline():
                yield line
        except (OSError, http.client.HTTPException) as error:
            raise NotRunning(f"the answer broke off: {error}") from None
        finally:
            response.close()

    def _json(self, method: str, path: str, query: Iterable[tuple[str, str]], body: bytes = b"", kind: str = "") -> Any:
        text = urlencode(list(query))
        response = self._send(method, f"{path}?{text}" if text else path, body, kind)
        try:
            return msgspec.json.decode(response.read())
        except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
            raise NotRunning(f"the answer broke off: {error}") from None
        finally:
            response.close()

    def _send(self, method: str, target: str, body: bytes = b"", kind: str = "") -> http.client.HTTPResponse:
        connection = _Connection(self.path, self._timeout)
        headers = {"Connection": "close"} | ({"Content-Type": kind} if kind else {})
        try:
            connection.request(method, target, body or None, headers)
            response = connection.getresponse()
            if response.status < 400:
                return response
            raw = response.read()
        except PermissionError as error:
            connection.close()
            raise NotAllowed(f"{self.path}: {error.strerror}") from None
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise NotRunning(f"{self.path}: {error}") from None
        connection.close()
        raise _refused(response.status, raw)


def _refused(status: int, raw: bytes) -> Refused:
    try:
        said = msgspec.json.decode(raw)["error"]
        return Refused(status, said["code"], said["message"], said.get("faults", ()))
    except (msgspec.DecodeError, TypeError, KeyError):
        return Refused(status, "unknown", f"HTTP {status}: {raw[:200]!r}")
