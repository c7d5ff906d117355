"""The files of `[tls]` and `[[certificate]]` read from the disk, once: the TLS contexts that they make, and a signature
that tells their states apart.

Blocks. Promises: TLS 1.2 or newer, without renegotiation and compression; a client is shown the certificate for the
name that it asks for, and the first where it asks for none or for one that we do not have; files that cannot be used
are `CertificatesRefused` with the reason, and an encrypted key never asks for its passphrase. Never: when
(`certificates`), the loop, a log; the check of the settings reads by this too.

RFC 6066 3 (SNI), RFC 8446, RFC 8314.
"""

from __future__ import annotations

import ssl
from functools import partial
from typing import Any, Literal

from msgspec import Struct

from asyncmta.inbound.x509 import CertificateFacts, NoCertificate, certificate_facts, matching
from asyncmta.system.file_state import file_state

MAX_FILE = 1 << 20

Asks = Literal["off", "request", "require"]
"""Whether clients are asked for a certificate of theirs; "require": there is no session without."""

Signature = tuple[tuple[int, ...], ...]

_MODES: dict[Asks, ssl.VerifyMode] = {
    "off": ssl.CERT_NONE,
    "request": ssl.CERT_OPTIONAL,
    "require": ssl.CERT_REQUIRED,
}


class CertificatesRefused(ValueError):
    """These files cannot be used. `key`: under which of the names of `TlsFiles` and `Pair` the fault is; `at`: of which
    pair."""

    def __init__(self, text: str, key: str, at: int = 0) -> None:
        super().__init__(text)
        self.key = key
        self.at = at


class Pair(Struct, frozen=True):
    """A chain and its key, which "" says to be in the same file. `names` () are those that the certificate says."""

    certificate: str
    key: str = ""
    names: tuple[str, ...] = ()


class TlsFiles(Struct, frozen=True):
    """`pairs`: the first one is for whoever asks for no name of ours. client_ca "": clients are not asked."""

    pairs: tuple[Pair, ...]
    client_ca: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        """Each file that is read."""
        paths = [path for pair in self.pairs for path in (pair.certificate, pair.key) if path]
        return (*paths, self.client_ca) if self.client_ca else tuple(paths)


class Loaded(Struct, frozen=True, eq=False):
    """What the files make. `facts`: of each pair's certificate."""

    contexts: dict[Asks, ssl.SSLContext]
    facts: tuple[CertificateFacts, ...]


def load(files: TlsFiles) -> Loaded:
    """Raises CertificatesRefused."""
    facts = tuple(_facts(pair, at) for at, pair in enumerate(files.pairs))
    modes: tuple[Asks, ...] = ("off", "request", "require") if files.client_ca else ("off",)
    return Loaded({asks: _context(files, facts, asks) for asks in modes}, facts)


def look(files: TlsFiles, signature: Signature) -> tuple[Signature, Loaded | CertificatesRefused] | None:
    """What they make now, or why nothing; None while they still have this signature. The new one is taken before they
    are read, so that a change while they are read is seen by the next look."""
    new = signature_of(files)
    if new == signature:
        return None
    try:
        return new, load(files)
    except CertificatesRefused as refusal:
        return new, refusal


def signature_of(files: TlsFiles) -> Signature:
    return tuple(map(file_state, files.paths))


def _facts(pair: Pair, at: int) -> CertificateFacts:
    text = _read(pair.certificate, "certificate", at)
    _read(pair.key or pair.certificate, "key", at)
    begin, end = text.find(ssl.PEM_HEADER), text.find(ssl.PEM_FOOTER)
    try:
        return certificate_facts(ssl.PEM_cert_to_DER_cert(text[begin : end + len(ssl.PEM_FOOTER)]))
    except (NoCertificate, ValueError):
        raise _unfit(pair, at) from None


def _read(path: str, key: str, at: int) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(MAX_FILE).decode("ascii", "replace")
    except OSError as error:
        raise CertificatesRefused(f"{path}: cannot be read: {error.strerror}", key, at) from None


def _unfit(pair: Pair, at: int) -> CertificatesRefused:
    its = "its " if at else "tls."
    where = f" ({pair.key})" if pair.key else f" (in the same file, as {its}key is empty)"
    said = f"{pair.certificate}: not a certificate chain in PEM with the unencrypted key that belongs to it{where}"
    return CertificatesRefused(said, "certificate", at)


def _context(files: TlsFiles, facts: tuple[CertificateFacts, ...], asks: Asks) -> ssl.SSLContext:
    """The one for everybody, which turns to another where the client asks for its name."""
    contexts = [_of_pair(pair, at, files.client_ca, asks) for at, pair in enumerate(files.pairs)]
    offered: dict[str, int] = {}
    for at, (pair, said) in enumerate(zip(files.pairs, facts, strict=True)):
        for name in pair.names or said.names:
            offered.setdefault(name, at)  # where two say the same name, the first one
    first = contexts[0]
    if len(contexts) > 1:
        first.sni_callback = partial(_turn, contexts, offered)
    return first


def _of_pair(pair: Pair, at: int, client_ca: str, asks: Asks) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    try:
        # Without the callable an encrypted key would ask for its passphrase on the terminal.
        context.load_cert_chain(pair.certificate, pair.key or None, password=lambda: b"")
    except (ssl.SSLError, OSError, ValueError):
        raise _unfit(pair, at) from None
    if asks != "off":
        try:
            context.load_verify_locations(client_ca)
        except ssl.SSLError:
            raise CertificatesRefused(f"{client_ca}: no certificates in PEM", "client_ca") from None
        except OSError as error:
            raise CertificatesRefused(f"{client_ca}: cannot be read: {error.strerror}", "client_ca") from None
        context.verify_mode = _MODES[asks]
    return context


def _turn(
    contexts: list[ssl.SSLContext], offered: dict[str, int], tunnel: Any, name: str | None, _: ssl.SSLContext
) -> None:
    """What the handshake calls with the client's name. Anything raised here would end it."""
    at = matching(name, offered) if name is not None else None
    if at is not None:
        tunnel.context = contexts[at]
