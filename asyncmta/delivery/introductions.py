"""How we introduce ourselves to a host of a site: at which TLS level, with which certificate, login and token.

Promises: a policy raises the level of the site and never lowers it; what cannot be had (the files of a certificate, a
policy that cannot be looked up) defers, and nothing goes out on lower terms. Never: a socket, look-ups of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from asyncmta.delivery.client_tls import IdentityRefused, TlsContexts, default_tls_contexts
from asyncmta.delivery.exchange import Site
from asyncmta.delivery.identities import Identities, Make
from asyncmta.delivery.manners import Manners
from asyncmta.delivery.tls_policy import Demand, TlsPolicy, raised
from asyncmta.delivery.tls_record import TlsRecord
from asyncmta.delivery.token_sources import TokenSources
from asyncmta.delivery.tokens import Fetch, Tokens
from asyncmta.delivery.verdict import Fault, Stage, blame
from asyncmta.mail.outcome import Deferred, Place
from asyncmta.system.clock import Clock

NO_DEMAND = Demand()

Note = Callable[..., None]


class Introductions:
    """One for a transport. `note` is that of the log; `fetch` gets access tokens; `policy` may raise TLS levels."""

    def __init__(
        self,
        *,
        clock: Clock,
        contexts: TlsContexts | None = None,
        note: Note | None = None,
        policy: TlsPolicy | None = None,
        fetch: Fetch | None = None,
        make_contexts: Make = default_tls_contexts,
    ) -> None:
        said = note if note is not None else _unsaid
        self.record = TlsRecord(said)
        self._contexts = contexts if contexts is not None else default_tls_contexts()
        self._policy = policy
        self._identities = Identities(clock=clock, note=said, make=make_contexts)
        self._tokens = Tokens(clock=clock, fetch=fetch or TokenSources().fetch, note=said)
        self._note = said

    async def manners(self, site: Site, host: str, hostname: str, connect_timeout: float) -> Manners | Deferred:
        """Before connecting to this host of the site; `hostname` is ours."""
        demand = await self._demand(site, host)
        if isinstance(demand, Deferred):
            return demand
        contexts = self._contexts
        if site.identity is not None:
            found = await self._identities.contexts(site.identity)
            if isinstance(found, IdentityRefused):
                return blame(Stage.STARTTLS, Fault.TLS, str(found), Place(host))
            contexts = found
        login = site.login
        return Manners(
            hostname,
            contexts,
            raised(site.tls, demand),
            login,
            connect_timeout,
            implicit_tls=site.implicit_tls,
            protocol=site.protocol,
            tokens=self._tokens.of(login.grant) if login is not None and login.grant is not None else None,
            judge=demand.judge,
            record=self.record,
            is_stranger=not site.explicit,
        )

    async def close(self) -> None:
        await self._tokens.close()

    async def _demand(self, site: Site, host: str) -> Demand | Deferred:
        if self._policy is None:
            return NO_DEMAND
        try:
            return await self._policy(site, host)
        except Exception as error:
            self._note("error", "internal_error", error=error, site=site.key, host=host)
            return blame(Stage.STARTTLS, Fault.TLS, "its TLS policy could not be looked up", Place(host))


def _unsaid(*_: object, **__: object) -> None:
    """Nobody listens."""
