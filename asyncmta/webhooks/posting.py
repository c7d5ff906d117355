"""One POST to an endpoint, with aiohttp. The one importer of it in this room.

Promises: TLS is verified; what is sent goes to the one address of the settings and nowhere else: a redirect is a
refusal; no cookies, no proxy of the environment; of an answer no more is read than it takes to use the connection
again. Never: when, how often (`webhooks`), a deadline (whoever asks has one).
"""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp

_NO_LIMIT = aiohttp.ClientTimeout(total=None, sock_connect=None)
_HEADERS = {"User-Agent": "asyncmta"}
_READ = 65536


class Posting:
    """The connections to endpoints."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> str:
        """Why it was not taken; an empty text: it was (2xx)."""
        if self._session is None:
            jar = aiohttp.DummyCookieJar()
            self._session = aiohttp.ClientSession(timeout=_NO_LIMIT, headers=_HEADERS, cookie_jar=jar)
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                await response.content.read(_READ)
                return "" if 200 <= response.status < 300 else f"the answer is {response.status}"
        except (aiohttp.ClientError, OSError) as error:
            return type(error).__name__ if not isinstance(error, OSError) else f"{error.strerror or error}"

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()
