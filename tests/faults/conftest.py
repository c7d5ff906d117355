"""What the tests of faults share: a remote transport on a clock that is moved by hand, and TLS for both ends."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trustme

from asyncmta.delivery.dialer import RemoteSettings
from asyncmta.delivery.session import TlsContexts
from tests.unit.delivery.conftest import Post, contexts_trusting


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("mx1.example.net", "localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def client_tls(authority: trustme.CA) -> TlsContexts:
    return contexts_trusting(authority)


@pytest.fixture
async def make_post(client_tls: TlsContexts) -> AsyncIterator[Callable[..., Post]]:
    """Makes transports, and closes them at the end."""
    made: list[Post] = []

    def make(**settings: Any) -> Post:
        post = Post(RemoteSettings(**{"allow_private_exchangers": True, **settings}), client_tls)
        made.append(post)
        return post

    yield make
    for post in made:
        await post.transport.close()
