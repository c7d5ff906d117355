"""asyncmta: a mail transfer agent in one process and one asyncio event loop.

The public names are loaded when first asked for, so that importing one room (`asyncmta.spool`, say) loads no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncmta.config import InvalidConfig, Settings
    from asyncmta.inbound.injection import Reports
    from asyncmta.mail.reply import reply
    from asyncmta.mta import Mta
    from asyncmta.policy.verdict import Verdict

__version__ = "0.1.0"
__all__ = ["InvalidConfig", "Mta", "Reports", "Settings", "Verdict", "__version__", "reply"]

_HOMES = {
    "InvalidConfig": "asyncmta.config",
    "Mta": "asyncmta.mta",
    "Reports": "asyncmta.inbound.injection",
    "Settings": "asyncmta.config",
    "Verdict": "asyncmta.policy.verdict",
    "reply": "asyncmta.mail.reply",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - only here, for the reason above

    return getattr(import_module(_HOMES[name]), name)
