"""The certificates of the listeners as they are now: read at the start, and again when their files have changed and a
handshake begins.

Promises: files that cannot be used refuse the start; later they leave what was read before, with one warning for each
change of them. They are looked at every few seconds at most, in a thread of its own, and no handshake waits long for
that. Sessions that run keep what they began with. Never: renewal, and nothing is read here (`certificate_files`).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from asyncmta.inbound.certificate_files import (
    Asks,
    CertificatesRefused,
    Loaded,
    TlsFiles,
    load,
    look,
    signature_of,
)
from asyncmta.maillog import MailLog

LOOK = 5.0  # seconds between two looks at the files
WAIT = 1.0  # seconds that a handshake waits for one; a disk may hang


class Contexts(Protocol):
    """Where listeners have their TLS from."""

    async def context(self, asks: Asks) -> ssl.SSLContext: ...


class Certificates:
    """The contexts that some files make."""

    def __init__(self, files: TlsFiles, *, monotonic: Callable[[], float], maillog: MailLog) -> None:
        """Raises CertificatesRefused."""
        self._files = files
        self._monotonic = monotonic
        self._maillog = maillog
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tls-files")
        self._looking: asyncio.Future[None] | None = None
        self._looked = monotonic()
        self._signature = signature_of(files)
        self._loaded = load(files)

    async def context(self, asks: Asks) -> ssl.SSLContext:
        """For one handshake, after a look at the files where the last one is too old."""
        now = self._monotonic()
        if now - self._looked >= LOOK and self._looking is None:
            self._looked = now
            self._looking = asyncio.ensure_future(self._look())
        if self._looking is not None:
            await asyncio.wait([self._looking], timeout=WAIT)
        return self._loaded.contexts[asks]

    async def close(self) -> None:
        looking = self._looking
        if looking is not None:
            looking.cancel()
            await asyncio.wait([looking])
        self._thread.shutdown(wait=False)

    async def _look(self) -> None:
        try:
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._thread, look, self._files, self._signature)
            if found is not None:
                self._signature, loaded = found
                self._take(loaded)
        except Exception as error:
            self._maillog.note("error", "tls_reload_failed", error=error)
        finally:
            self._looking = None

    def _take(self, loaded: Loaded | CertificatesRefused) -> None:
        if isinstance(loaded, CertificatesRefused):
            self._maillog.note("warning", "tls_reload_failed", reason=str(loaded))
            return
        before, self._loaded = self._loaded, loaded
        both = list(zip(self._files.pairs, loaded.facts, strict=True))
        changed = [(pair, facts) for pair, facts in both if facts not in before.facts]
        for pair, facts in changed or both[:1]:
            self._maillog.note(
                "info", "tls_reloaded", file=pair.certificate, subject=facts.subject, expires=facts.expires
            )
