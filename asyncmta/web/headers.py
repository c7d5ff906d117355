"""What every page says to the browser: what it may load and run, who may frame it, that it is not to be kept. Pure.

Promises: no script and no style but our files, also if markup of somebody else ever came into a page; no other site may
frame it, or learn its addresses. Never: a page.

`Referrer-Policy` is same-origin: with no-referrer a browser sends `Origin: null` with our own forms (Fetch, 3.1), and
the guard could not tell them from another site's.
"""

from __future__ import annotations

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
)
ALWAYS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
PAGE = ALWAYS | {"Cache-Control": "no-store"}
KEPT = ALWAYS | {"Cache-Control": "public, max-age=31536000, immutable"}
ASKED_AGAIN = ALWAYS | {"Cache-Control": "no-cache"}
