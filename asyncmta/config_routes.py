"""A `[[route]]` of the settings as a rule of `routing`.

Never: which rule applies (`routing`), or whether its keys fit together (`config_checks`).

contract.md section 3.
"""

from __future__ import annotations

from asyncmta import routing
from asyncmta.config_tables import RouteTable
from asyncmta.mail.replies import REJECTED_BY_RULE


def rule_of(route: RouteTable) -> routing.Rule:
    via: routing.Mx | routing.Smarthost | routing.Hold | routing.Discard | routing.Reject
    match route.via:
        case "smarthost":
            via = routing.Smarthost(", ".join(route.hosts), route.hosts, route.tls, route.username, route.password)
        case "hold":
            via = routing.Hold()
        case "discard":
            via = routing.Discard()
        case "reject":
            via = routing.Reject(REJECTED_BY_RULE)
        case _:
            via = routing.Mx()
    return routing.Rule(routing.parse_pattern(route.recipient), routing.parse_pattern(route.sender), via)
