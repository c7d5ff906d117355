"""The table `[sandbox]`: what it means, and what does not go with it."""

from __future__ import annotations

import pytest

from asyncmta.config import InvalidConfig, Settings
from asyncmta.config_sandbox import sandbox_of


def test_there_is_none_by_default() -> None:
    assert sandbox_of(Settings.from_dict({}).sandbox) is None


def test_what_it_means() -> None:
    found = sandbox_of(Settings.from_dict({"sandbox": {"redirect_all": "Dev@Example.org"}}).sandbox)
    assert found is not None
    assert (str(found.redirect_to), found.allow, found.refuses) == ("Dev@Example.org", (), False)
    found = sandbox_of(Settings.from_dict({"sandbox": {"allow": ["*@a.example"], "others": "refuse"}}).sandbox)
    assert found is not None
    assert (found.redirect_to, found.allow[0].text, found.refuses) == (None, "*@a.example", True)


REWRITE = {"at": "exit", "match": "@a.example", "to": "@b.example"}


@pytest.mark.parametrize(
    ("tables", "key"),
    [
        ({"sandbox": {"redirect_all": "dev"}}, "sandbox.redirect_all"),
        ({"sandbox": {"others": "refuse"}}, "sandbox.others"),
        ({"sandbox": {"redirect_all": "a@b.example", "others": "refuse"}}, "sandbox.others"),
        ({"sandbox": {"allow": ["b.example"]}, "rewrite": [REWRITE]}, "rewrite.0.address"),
        ({"sandbox": {"allow": ["b.example"]}, "mode": "null-client", "smarthost": "r.example:25"}, "mode"),
    ],
)
def test_what_cannot_be_meant(tables: dict[str, object], key: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        Settings.from_dict(tables)
    assert [fault.split(": ")[1] for fault in caught.value.faults] == [key]


@pytest.mark.parametrize("change", [{"at": "entry"}, {"address": "sender"}])
def test_what_goes_with_it(change: dict[str, str]) -> None:
    settings = Settings.from_dict({"sandbox": {"allow": ["b.example"]}, "rewrite": [REWRITE | change]})
    assert sandbox_of(settings.sandbox) is not None
