"""Client certificates as they are now: read at first use, and again when their files have changed.

Promises: the files are looked at every few seconds at most, in a thread; files that cannot be used leave what was read
before, with one warning for each change of them. Never: renewal, what is in a context (`client_tls`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from asyncmta.credentials import Identity
from asyncmta.delivery.client_tls import IdentityRefused, TlsContexts, default_tls_contexts
from asyncmta.system.clock import Clock
from asyncmta.system.file_state import file_state

LOOK = 5.0  # seconds between two looks at the files

Signature = tuple[tuple[int, ...], ...]
Make = Callable[[Identity], TlsContexts]


class Identities:
    """All of one transport. `make`: the contexts with a certificate in them; raises IdentityRefused."""

    def __init__(self, *, clock: Clock, note: Callable[..., None], make: Make = default_tls_contexts) -> None:
        self._clock = clock
        self._note = note
        self._make = make
        self._of: dict[Identity, _Loaded] = {}

    async def contexts(self, identity: Identity) -> TlsContexts | IdentityRefused:
        """For a handshake that is to begin now."""
        loaded = self._of.get(identity)
        if loaded is None:
            loaded = self._of[identity] = _Loaded()
        async with loaded.lock:
            if self._clock.monotonic() >= loaded.look_at:
                await self._look(identity, loaded)
                loaded.look_at = self._clock.monotonic() + LOOK
        return loaded.contexts if loaded.contexts is not None else loaded.refusal

    async def _look(self, identity: Identity, loaded: _Loaded) -> None:
        signature = await asyncio.to_thread(_signature, identity)
        if signature == loaded.signature:
            return
        loaded.signature = signature
        try:
            made = await asyncio.to_thread(self._make, identity)
        except IdentityRefused as refusal:
            loaded.refusal = refusal
            self._note("warning", "client_certificate_refused", file=identity.certificate, reason=str(refusal))
            return
        if loaded.contexts is not None:
            self._note("info", "client_certificate_reloaded", file=identity.certificate)
        loaded.contexts = made


class _Loaded:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.look_at = 0.0
        self.signature: Signature = ()
        self.contexts: TlsContexts | None = None
        self.refusal = IdentityRefused("not read yet", "certificate")


def _signature(identity: Identity) -> Signature:
    return tuple(file_state(path) for path in (identity.certificate, identity.key) if path)
