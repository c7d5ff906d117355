"""What the lists room is asked to prove: one reverse-path for each member, and a file that reads as it was meant."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asyncmta.lists.members_text import is_subscribable, members, with_member, without_member
from asyncmta.lists.names import MailingList, Names, Role
from asyncmta.lists.tokens import confirmed, token_for
from asyncmta.lists.verp import marked, member, verp
from asyncmta.mail.address import Address, InvalidAddress, parse_address, quote
from asyncmta.mailboxes.alias_text import Somebody, parse_include

OWNER = parse_address("owner-dev@lists.example")

names = st.text(st.sampled_from("abcXYZ019.+=-_|/#!%&'*{}~@,: <>()\\\"é"), min_size=1, max_size=60)
domains = st.sampled_from(["example.org", "Example.ORG", "a.b.example", "xn--bcher-kva.example", "bücher.example"])


def parsed(name: str, domain: str) -> Address | None:
    try:
        return parse_address(f"{quote(name)}@{domain}", smtputf8=True)
    except InvalidAddress:
        return None


addresses = st.builds(parsed, names, domains).filter(lambda found: found is not None)


@given(people=st.lists(addresses, min_size=2, max_size=6, unique_by=lambda each: each.mailbox_key.casefold()))
def test_a_reverse_path_is_one_members_alone(people: list[Address]) -> None:
    paths = [verp(OWNER, each) for each in people]
    keys = {path.mailbox_key.casefold() for path in paths}
    # The same domain in two spellings is one mailbox, so that no two of these are.
    assert len(keys) == len(people)
    for path in paths:
        assert parse_address(str(path)).is_ascii
        assert path.mailbox_key.startswith(("'owner-dev+", '"owner-dev+'))


@given(who=addresses, others=st.lists(addresses, max_size=5))
def test_a_mark_leads_to_its_member(who: Address, others: list[Address]) -> None:
    local_part = verp(OWNER, who).local_part
    name = parse_address(f"{local_part}@x.example").local_part
    text = name[1:-1].replace('\\"', '"').replace("\\\\", "\\") if name.startswith('"') else name
    found = member(text.partition("+")[2], marked([*others, who]))
    assert found is not None
    assert found.mailbox_key.casefold() == who.mailbox_key.casefold()


@given(who=addresses, text=st.sampled_from(["", "ann@a.example", "# people\nann@a.example, bob@b.example\n"]))
def test_who_is_written_down_is_read_as_who_he_is(who: Address, text: str) -> None:
    """By the reader of aliases, too: one line that it took for a program would keep mail from everybody."""
    if not is_subscribable(who):
        return
    before, _ = parse_include(text)
    targets, faults = parse_include(with_member(text, who))
    assert faults == ()
    assert set(targets) - set(before) <= {Somebody(who.local_part, who.domain)}
    assert who.mailbox_key.casefold() in members(with_member(text, who))
    assert who.mailbox_key.casefold() not in members(without_member(with_member(text, who), who))


@given(token=st.text(max_size=40) | st.text(st.sampled_from("su0123456789abcdef234567"), max_size=40), who=addresses)
def test_no_token_is_guessed(token: str, who: Address) -> None:
    candidates = [who, OWNER]
    assert confirmed(b"k" * 32, token, list_key="dev@lists.example", candidates=candidates, now=0.0) is None


@given(who=addresses, other=addresses, hours=st.integers(0, 100))
def test_a_token_is_good_for_its_address_and_time_alone(who: Address, other: Address, hours: int) -> None:
    now = 1_750_000_000.0
    token = token_for(b"k" * 32, action=Role.SUBSCRIBE, list_key="dev@lists.example", address=who, now=now)
    found = confirmed(
        b"k" * 32, token.upper(), list_key="dev@lists.example", candidates=[other, who], now=now + hours * 3600
    )
    assert (found is not None) is (hours <= 72)
    same = other.mailbox_key.casefold() == who.mailbox_key.casefold()
    assert found is None or found.address == (other if same else who)


@given(address=addresses)
def test_every_address_is_asked_for_without_harm(address: Address) -> None:
    one = MailingList(address=parse_address("dev@example.org"), members="/m", owner=OWNER, subscribe=True)
    called = Names([one]).called(address)
    assert called is None or called.list is one
