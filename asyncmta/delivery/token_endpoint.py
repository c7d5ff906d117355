"""The refresh flow of OAuth 2.0 over HTTP, with aiohttp: one POST, one answer.

Promises: secrets go to the one address of the settings, in the body, over verified TLS (or to this machine), and
nowhere else: a redirect is a refusal. The answer is bounded. Never: when, how often (`tokens`), a deadline (whoever
asks has one). The one importer of aiohttp in this room.

RFC 6749 2.3.1, 3.2 and 6.
"""

from __future__ import annotations

import aiohttp

from asyncmta.credentials import Grant
from asyncmta.delivery.logging_in import NoToken
from asyncmta.delivery.token_answers import MAX_ANSWER, NewToken, form_of, of_endpoint, without_secrets

_NO_LIMIT = aiohttp.ClientTimeout(total=None, sock_connect=None)
_HEADERS = {"Accept": "application/json"}


async def ask_endpoint(grant: Grant) -> NewToken:
    """Raises NoToken."""
    body = bytearray()
    try:
        async with (
            aiohttp.ClientSession(timeout=_NO_LIMIT, headers=_HEADERS) as session,
            session.post(grant.url, data=form_of(grant), allow_redirects=False) as response,
        ):
            async for octets in response.content.iter_chunked(MAX_ANSWER):
                body += octets
                if len(body) > MAX_ANSWER:
                    raise NoToken(f"{grant.url}: the answer is longer than {MAX_ANSWER} octets")
            status = response.status
    except (aiohttp.ClientError, OSError) as error:
        said = without_secrets(str(error) or type(error).__name__, grant)
        raise NoToken(f"{grant.url}: {said}") from None
    found = of_endpoint(status, bytes(body), grant)
    if isinstance(found, str):
        raise NoToken(f"{grant.url}: {found}")
    return found
