"""What the settings say of TLS: which files the listeners' certificates are in, and whether those can be meant so.

Promises: the files are loaded once here, as they will be at the start, so that `check-config` notices what the first
handshake would. Never: a single value (`config_kinds`).

contract.md section 3.
"""

from __future__ import annotations

from collections.abc import Callable

from asyncmta.config_tables import CertificateTable, Tables, TlsTable
from asyncmta.inbound.certificate_files import CertificatesRefused, Pair, TlsFiles, load

Report = Callable[..., None]
"""report(path, text, *other_paths): a fault, unless one of the paths has a fault of its own."""


def tls_files(tls: TlsTable, certificates: tuple[CertificateTable, ...]) -> TlsFiles | None:
    """None: there is no certificate."""
    if not tls.certificate:
        return None
    pairs = [Pair(entry.certificate, entry.key, entry.names) for entry in certificates]
    return TlsFiles((Pair(tls.certificate, tls.key), *pairs), tls.client_ca)


def check_certificates(tables: Tables, report: Report) -> None:
    """All that is about `[tls]` and `[[certificate]]`, and what listeners ask of clients."""
    _check_asking(tables, report)
    tls = tables.tls
    complete = True
    for key in ("key", "client_ca"):
        if getattr(tls, key) and not tls.certificate:
            report(f"tls.{key}", "goes only with tls.certificate", "tls.certificate")
    for index, entry in enumerate(tables.certificate):
        path = f"certificate.{index}.certificate"
        if not entry.certificate:
            complete = False
            report(path, "is missing; a [[certificate]] is a file with a chain, and one with its key")
        elif not tls.certificate:
            report(path, "goes only with tls.certificate, which is for all other names", "tls.certificate")
    files = tls_files(tls, tables.certificate)
    if files is None or not complete:
        return
    try:
        load(files)
    except CertificatesRefused as refusal:
        of_tls = refusal.key == "client_ca" or refusal.at == 0
        table = "tls" if of_tls else f"certificate.{refusal.at - 1}"
        report(f"{table}.{refusal.key}", str(refusal), f"{table}.key")


def _check_asking(tables: Tables, report: Report) -> None:
    for index, listener in enumerate(tables.listener):
        path, asks = f"listener.{index}.client_certificates", listener.client_certificates
        if asks == "off":
            continue
        if listener.tls == "none":
            report(path, f'"{asks}" goes only with TLS', f"listener.{index}.tls")
        elif asks == "require" and listener.tls == "starttls":
            said = '"require" would be passed by without STARTTLS; allowed with it are tls = "required" and "implicit"'
            report(path, said, f"listener.{index}.tls")
        elif not tables.tls.client_ca:
            report(path, f'"{asks}" needs tls.client_ca, the authorities whose certificates count', "tls.client_ca")
