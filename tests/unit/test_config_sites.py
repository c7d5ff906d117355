"""`[[site]]`: what it says, and the rule that follows."""

from __future__ import annotations

from typing import Any

import pytest

from asyncmta.config import InvalidConfig, Settings
from asyncmta.config_sites import FlagOrAuto, rule_of_site
from asyncmta.delivery.habits import SiteRule


def rule(**table: Any) -> SiteRule:
    settings = Settings.from_dict({"site": [{"hosts": ["MX.example.net", ".example.org"], **table}]})
    return rule_of_site(settings.sites[0])


HOSTS = ("mx.example.net", ".example.org")


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ([], SiteRule(HOSTS)),
        (["20/min"], SiteRule(HOSTS, messages=20, seconds=60.0)),
        (["20/1m"], SiteRule(HOSTS, messages=20, seconds=60.0)),
        (["100/2h"], SiteRule(HOSTS, messages=100, seconds=7200.0)),
        (["5 sessions"], SiteRule(HOSTS, most_sessions=5)),
        (["1 session", "2/s", "5 sessions"], SiteRule(HOSTS, most_sessions=1, messages=2, seconds=1.0)),
        (["20/min", "1000/day"], SiteRule(HOSTS, messages=1000, seconds=86400.0)),
        (["1000/day", "20/min"], SiteRule(HOSTS, messages=1000, seconds=86400.0)),
    ],
)
def test_limits(limits: list[str], expected: SiteRule) -> None:
    assert rule(limits=limits) == expected


@pytest.mark.parametrize(("said", "meant"), [(True, True), (False, False), ("auto", None)])
def test_one_domain(said: Any, meant: bool | None) -> None:
    assert rule(one_domain=said).one_domain is meant
    assert FlagOrAuto().show(meant) == said
    assert FlagOrAuto().from_text(str(said).lower()) == said


@pytest.mark.parametrize("limit", ["", "20", "0/min", "20/week", "sessions", "0 sessions", "5 Sessions", "20/min "])
def test_what_is_no_limit(limit: str) -> None:
    with pytest.raises(InvalidConfig):
        rule(limits=[limit])


def test_from_the_environment() -> None:
    environ = {"ASYNCMTA_SITE__0__HOSTS": "mx.example.net", "ASYNCMTA_SITE__0__ONE_DOMAIN": "auto"}
    (site,) = Settings.load(environ=environ).sites
    assert (site.hosts, site.one_domain) == (("mx.example.net",), None)
