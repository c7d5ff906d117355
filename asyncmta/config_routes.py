"""A `[[route]]` of the settings as a rule of `routing`.

Never: which rule applies (`routing`), or whether its keys fit together (`config_checks`).

contract.md section 3.
"""

from __future__ import annotations

from asyncmta import routing
from asyncmta.config_tables import RouteTable
from asyncmta.credentials import Grant, Identity
from asyncmta.mail.replies import REJECTED_BY_RULE


def rule_of(route: RouteTable) -> routing.Rule:
    via: routing.Mx | routing.Smarthost | routing.Hold | routing.Discard | routing.Reject
    match route.via:
        case "smarthost":
            via = routing.Smarthost(
                ", ".join(route.hosts),
                route.hosts,
                route.level,
                route.username,
                route.password,
                auth=route.auth,
                grant=_grant_of(route),
                identity=Identity(route.certificate, route.key) if route.certificate else None,
                implicit_tls=route.implicit_tls,
            )
        case "hold":
            via = routing.Hold()
        case "discard":
            via = routing.Discard()
        case "reject":
            via = routing.Reject(REJECTED_BY_RULE)
        case _:
            via = routing.Mx(tls=route.level)
    return routing.Rule(routing.parse_pattern(route.recipient), routing.parse_pattern(route.sender), via)


def _grant_of(route: RouteTable) -> Grant | None:
    if not (route.token_file or route.token_command or route.token_url):
        return None
    return Grant(
        file=route.token_file,
        command=route.token_command,
        url=route.token_url,
        client_id=route.client_id,
        client_secret=route.client_secret,
        refresh_token=route.refresh_token,
        scope=route.token_scope,
    )
