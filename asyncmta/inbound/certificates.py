"""The TLS context of the listeners, from the files that `[tls]` names.

Promises: TLS 1.2 or newer; no client certificate is asked for. Never: renewal; the files are read when it is made.
"""

from __future__ import annotations

import ssl


def server_context(certificate: str, key: str) -> ssl.SSLContext | None:
    """None where there is no certificate. `key` "" means that it stands in the certificate's file."""
    if not certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key or None)
    return context
