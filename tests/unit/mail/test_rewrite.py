"""mail/rewrite: which rule fits, what comes out, and what is no rule."""

from __future__ import annotations

import pytest

from asyncmta.mail.address import parse_address
from asyncmta.mail.rewrite import LONGEST_PATTERN, InvalidRewrite, Rewriting, parse_rule


def rewritten(address: str, *rules: tuple[str, str]) -> str:
    table = Rewriting([parse_rule(match, to, is_for_senders=True) for match, to in rules])
    found, rule = table.of(parse_address(address, smtputf8=True))
    assert rule is not None or str(found) == address
    return str(found)


@pytest.mark.parametrize(
    ("address", "rules", "after"),
    [
        ("a@old.example", [("a@old.example", "b@new.example")], "b@new.example"),
        ("A@OLD.example", [("a@old.example", "b@new.example")], "b@new.example"),
        ('"a"@old.example', [("a@old.example", "b@new.example")], "b@new.example"),
        ("c@old.example", [("a@old.example", "b@new.example")], "c@old.example"),
        ("a@old.example", [("a@old.example", "@new.example")], "a@new.example"),
        ("a@Old.example", [("@old.example", "@new.example")], "a@new.example"),
        ('"a b"@old.example', [("@old.example", "@new.example")], '"a b"@new.example'),
        ("a@old.example", [("@old.example", "all@new.example")], "all@new.example"),
        ("a@sub.old.example", [("@old.example", "@new.example")], "a@sub.old.example"),
        ("a@bücher.example", [("@xn--bcher-kva.example", "@new.example")], "a@new.example"),
        ("a@one.example", [("@one.example", "@two.example"), ("@two.example", "@three.example")], "a@two.example"),
        ("a@x.example", [("@y.example", "@z.example"), ("a@x.example", "b@x.example")], "b@x.example"),
        ("a.b@old.example", [(r"/(.+)\.(.+)@old\.example/", r"\2.\1@new.example")], "b.a@new.example"),
        ("A.b@OLD.example", [(r"/a\.(.+)@old\.example/", r"\1@new.example")], "b@new.example"),
        ("xa@old.example", [(r"/a@old\.example/", "b@new.example")], "xa@old.example"),
        ("a@old.examples", [(r"/a@old\.example/", "b@new.example")], "a@old.examples"),
        ("a@old.example", [(r"/(b)?a@(.+)\.example/", r"\1x@\2.test")], "x@old.test"),
        ("a@old.example", [(r"/(b)?a@old\.example/", r"\1@new.example")], "a@old.example"),
        ("a@old.example", [(r"/a@(old)\.example/", r"@\1.test")], "a@old.test"),
        ("a" * 255 + "@" + "b.example", [(r"/.*@b\.example/", "c@b.example")], "c@b.example"),
        ("a" * 255 + "@" + "b." * 30 + "example", [("/.*/", "c@b.example")], "a" * 255 + "@" + "b." * 30 + "example"),
    ],
)
def test_the_first_that_fits_is_applied_once(address: str, rules: list[tuple[str, str]], after: str) -> None:
    assert rewritten(address, *rules) == after


def test_a_table_says_by_which_rule_and_whether_it_has_any() -> None:
    rule = parse_rule("@old.example", "@new.example")
    assert Rewriting([rule]).of(parse_address("a@old.example"))[1] is rule
    assert str(rule) == "@old.example -> @new.example"
    assert Rewriting([rule])
    assert not Rewriting([])


@pytest.mark.parametrize(
    ("match", "to", "said"),
    [
        ("a", "b@c.example", "match is an address"),
        ("@", "b@c.example", "match is an address"),
        ("a@b.example", "c", "to is an address"),
        ("a@b.example", "@", "to is an address"),
        ("/", "b@c.example", "between two slashes"),
        ("//", "b@c.example", "between two slashes"),
        ("/a", "b@c.example", "between two slashes"),
        ("/" + "a" * (LONGEST_PATTERN + 1) + "/", "b@c.example", "at most 200 characters"),
        ("/(a+)+@b/", "b@c.example", "can take for ever"),
        ("/(a|b)*@b/", "b@c.example", "can take for ever"),
        ("/(a){5}@b/", "b@c.example", "can take for ever"),
        (r"/(a)\1@b/", "b@c.example", "can take for ever"),
        ("/(?P<x>a)(?P=x)@b/", "b@c.example", "can take for ever"),
        ("/.*.*.*.*@b/", "b@c.example", "at most 3"),
        ("/.*.+.{2,}.{0,300}@b/", "b@c.example", "at most 3"),
        ("/" + "a?" * 30 + "a" * 30 + "@b/", "b@c.example", "at most 6"),
        ("/" + "(a|a)" * 30 + "@b/", "b@c.example", "at most 6"),
        ("/" + "((a|a)|a)" * 4 + "@b/", "b@c.example", "at most 6"),
        ("/(a@b/", "b@c.example", "not a pattern"),
        ("/a@b/", r"\1@c.example", "groups of the pattern"),
        ("/(a)@b/", r"\0@c.example", "groups of the pattern"),
        ("/(a)@b/", r"\x@c.example", "groups of the pattern"),
        ("/(a)@(b)/", r"a@\2", "written out"),
        ("/(a)@b/", r"\1", "written out"),
    ],
)
def test_what_is_no_rule(match: str, to: str, said: str) -> None:
    with pytest.raises(InvalidRewrite, match=said):
        parse_rule(match, to)


@pytest.mark.parametrize(
    "match",
    ["/(sales|info|help|jobs|news|press|shop|web)@(a|b)/", "/colou?r(?:s)?@b/", r"/a.*?b.+?\?\|@b/", "/(?P<x>a)@b/"],
)
def test_what_may_be_chosen_from(match: str) -> None:
    assert parse_rule(match, "x@c.example").pattern is not None


def test_a_sender_may_be_sent_to_a_domain_of_its_own() -> None:
    assert parse_rule("/(a)@(b)/", r"a@\2", is_for_senders=True).pattern is not None
    with pytest.raises(InvalidRewrite, match="to is an address"):
        parse_rule("/(a)@(b)/", r"a b@\2", is_for_senders=True)
