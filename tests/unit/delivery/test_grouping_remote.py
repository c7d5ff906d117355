"""Grouping on the wire: who shares a transaction, what is sent again at once, and who goes to the next exchanger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from asyncmta.mail.outcome import Deferred, Delivered, Failed, Postponed
from asyncmta.testing.sink_values import CLOSE, SILENCE, SinkSettings
from asyncmta.testing.smtp_sink import SmtpSink

LOCALHOST = {"A": ["127.0.0.1"]}
GOOGLE = "451 4.3.0 Multiple destination domains per transaction is unsupported. Please try again."
EXCHANGE = "452 4.5.3 Recipients belong to multiple regions ATTR38"
POLICY = "452 4.5.3 Domain policy size per transaction exceeded, please try this recipient in a separate transaction"
PLAIN = SinkSettings(extensions=("PIPELINING",))
VAGUE = "450 4.7.1 Try again"
BARE = "452 no"


class Fussy:
    """Makes a sink take only so many domains, or recipients, in a transaction."""

    def __init__(self, sink: SmtpSink, answer: str, *, domains: int = 0, recipients: int = 0) -> None:
        self.answer = answer
        self.most_domains = domains
        self.most_recipients = recipients
        self.refused = 0
        self._domains: set[str] = set()
        self._recipients = 0
        sink.script("MAIL", self._mail, times=10**6)
        sink.script("RCPT", self._rcpt, times=10**6)

    def _mail(self, _: str) -> None:
        self._domains.clear()
        self._recipients = 0

    def _rcpt(self, line: str) -> str | None:
        domain = line.rpartition("@")[2]
        if (self.most_domains and len(self._domains | {domain}) > self.most_domains) or (
            self.most_recipients and self._recipients >= self.most_recipients
        ):
            self.refused += 1
            return self.answer
        self._domains.add(domain)
        self._recipients += 1
        return None


def set_domains(post: Any, count: int, *records: tuple[int, str]) -> None:
    """That many domains with these exchangers, which are all at home."""
    for n in range(count):
        post.resolver.set(f"d{n}.example", {"MX": list(records or [(10, "mx.example")])})
    for _, host in records or [(10, "mx.example")]:
        post.resolver.set(host, LOCALHOST)


async def delivered(post: Any, *recipients: str) -> list[Any]:
    """One message; what became of each consignment."""
    message = post.message(*recipients)
    before = len(post.results.of)
    post.transport.deliver(message, post.results)
    await post.results.wait_for(before + len(message))
    return [post.results.of[consignment] for consignment in message]


def got(sink: SmtpSink) -> list[str]:
    return sorted(name for message in sink.messages for name in message.recipients)


# -- one domain at a time ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [GOOGLE, EXCHANGE, POLICY, VAGUE, BARE])
async def test_a_server_that_takes_one_domain_at_a_time(make_post: Callable[..., Any], answer: str) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        set_domains(post, 5)
        fussy = Fussy(sink, answer, domains=1)
        names = [f"r{n}@d{n % 5}.example" for n in range(15)]
        await delivered(post, *names)
        assert got(sink) == sorted(names)
        assert sink.sessions_seen == 1
        assert sorted(len(message.recipients) for message in sink.messages) == [3] * 5
        assert fussy.refused == 12
        await delivered(post, *names)  # it is remembered
        assert fussy.refused == 12
        assert len(sink.messages) == 10
        assert not sink.violations


async def test_what_is_remembered_of_a_server_is_forgotten_some_time(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        set_domains(post, 2)
        fussy = Fussy(sink, GOOGLE, domains=1)
        for seconds in (5.0, 100_000.0, 0.0):
            await delivered(post, "a@d0.example", "b@d1.example")
            post.clock.advance(seconds)
        assert fussy.refused == 2
        assert len(sink.messages) == 6


async def test_known_servers_get_one_domain_from_the_first_time_on(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        set_domains(post, 3, (10, "aspmx.l.google.com"))
        await delivered(post, *(f"r{n}@d{n % 3}.example" for n in range(9)))
        assert [len(message.recipients) for message in sink.messages] == [3, 3, 3]
        assert sink.sessions_seen == 1


async def test_a_domain_put_off_for_its_own_sake_teaches_nothing(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        set_domains(post, 2)
        sink.script("RCPT", VAGUE, times=2, contains="d1.example")
        first, second = await delivered(post, "a@d0.example", "b@d1.example")
        assert isinstance(first[0], Delivered)
        assert isinstance(second[1], Deferred)
        assert [line for _, line in sink.commands].count("RCPT TO:<b@d1.example>") == 2
        await delivered(post, "a@d0.example", "b@d1.example")
        assert sink.messages[-1].recipients == ("a@d0.example", "b@d1.example")


# -- fewer recipients -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["452 4.5.3 Too many recipients", "552 too many", "452 Too many recipients"])
async def test_a_server_that_takes_few_recipients(make_post: Callable[..., Any], answer: str) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        set_domains(post, 2)
        fussy = Fussy(sink, answer, recipients=10)
        names = [f"r{n}@d{n % 2}.example" for n in range(100)]
        await delivered(post, *names)
        assert got(sink) == sorted(names)
        assert [len(message.recipients) for message in sink.messages] == [10] * 10
        assert sink.sessions_seen == 1
        refused = fussy.refused
        await delivered(post, *names)
        assert fussy.refused == refused  # it is remembered
        assert len(sink.messages) == 20


async def test_a_limit_that_is_only_guessed_is_halved(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        set_domains(post, 1)
        fussy = Fussy(sink, BARE, recipients=10)
        names = [f"r{n}@d0.example" for n in range(100)]
        await delivered(post, *names)
        assert got(sink) == sorted(names)
        refused = fussy.refused
        await delivered(post, *names)
        assert fussy.refused <= refused + 2 * 10
        assert len(sink.messages) <= 11 + 11


async def test_a_limit_that_was_learned_is_doubled_after_a_while(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        set_domains(post, 1)
        fussy = Fussy(sink, "452 4.5.3 Too many recipients", recipients=10)
        names = [f"r{n}@d0.example" for n in range(40)]
        await delivered(post, *names)
        fussy.most_recipients = 0
        for sizes in ([10] * 4, [20] * 2, [40]):
            del sink.messages[:]
            await delivered(post, *names)
            assert [len(message.recipients) for message in sink.messages] == sizes
            post.clock.advance(3601.0)
            await post.until(lambda: not sink.open_sessions)


async def test_nobody_taken_is_no_limit(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        set_domains(post, 1)
        sink.script("RCPT", "452 4.5.3 Too many recipients", times=2)
        (result,) = await delivered(post, "a@d0.example", "b@d0.example")
        assert [type(outcome) for outcome in result.values()] == [Deferred] * 2
        assert sum(line.startswith("RCPT") for _, line in sink.commands) == 2


async def test_limits_that_a_server_says_are_kept(make_post: Callable[..., Any]) -> None:
    settings = SinkSettings(extensions=("PIPELINING", "LIMITS RCPTMAX=10 RCPTDOMAINMAX=2 MAILMAX=4"))
    async with SmtpSink(settings) as sink:
        post = make_post(port=sink.address[1], sessions_per_site=1)
        set_domains(post, 4)
        names = [f"r{n}@d{n % 4}.example" for n in range(60)]
        await delivered(post, *names)
        assert got(sink) == sorted(names)
        assert all(len(message.recipients) <= 10 for message in sink.messages)
        assert all(len({name[-10:] for name in message.recipients}) <= 2 for message in sink.messages)
        assert max([message.session for message in sink.messages].count(n) for n in range(1, 10)) == 4
        (single,) = await delivered(post, "a@d0.example")
        assert isinstance(single[0], Delivered)


# -- connections ------------------------------------------------------------------------------------------------------


async def test_a_thousand_recipients_are_five_connections_and_ten_transactions(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        for n in range(5):
            post.resolver.set(f"mx{n}.example", LOCALHOST)
        for n in range(100):
            post.resolver.set(f"d{n}.example", {"MX": [(n + 1, f"mx{n % 5}.example")]})
        names = [f"r{n}@d{n % 100}.example" for n in range(1000)]
        await delivered(post, *names)
        assert got(sink) == sorted(names)
        assert (sink.sessions_seen, len(sink.messages)) == (5, 10)


async def test_what_comes_in_turns_of_one_message_stays_on_one_session(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        set_domains(post, 1)
        await post.sent("x@d0.example")
        (whole,) = post.message(*(f"r{n}@d0.example" for n in range(500)))
        for first in range(0, 500, 50):
            turn = msgspec.structs.replace(whole, ordinals=tuple(range(first, first + 50)))
            post.transport.deliver([turn], post.results)
        await post.results.wait_for(11)
        assert sink.sessions_seen == 1
        assert len(sink.messages) <= 7
        assert len(got(sink)) == len(set(got(sink))) == 501


async def test_a_long_row_is_shared_by_several_sessions(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1], recipients_per_transaction=10)
        set_domains(post, 1)
        await delivered(post, *(f"r{n}@d0.example" for n in range(300)))
        assert len(sink.messages) == 30
        assert 2 <= sink.sessions_seen <= 3


async def test_a_session_that_is_lost_in_a_row_costs_only_what_it_carried(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1], recipients_per_transaction=10)
        set_domains(post, 1)
        sink.script("RCPT", CLOSE, contains="r15@")
        (result,) = await delivered(post, *(f"r{n}@d0.example" for n in range(40)))
        assert sorted(at for at, outcome in result.items() if isinstance(outcome, Deferred)) == list(range(10, 20))
        assert len(got(sink)) == 30


# -- overlapping exchangers -------------------------------------------------------------------------------------------


async def test_domains_that_share_their_best_exchanger_share_it_whatever_the_rest(
    make_post: Callable[..., Any],
) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        set_domains(post, 1, (10, "mx.example"), (20, "b0.example"))
        post.resolver.set("d1.example", {"MX": [(5, "mx.example"), (6, "b1.example")]})
        await delivered(post, "a@d0.example", "b@d1.example")
        assert [message.recipients for message in sink.messages] == [("a@d0.example", "b@d1.example")]
        assert [view.key for view in post.transport.sites()] == ["mx:mx.example"]


async def test_domains_whose_best_exchangers_overlap_meet_where_they_do(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        set_domains(post, 1, (10, "x.example"), (10, "y.example"))
        post.resolver.set("d1.example", {"MX": [(10, "y.example"), (10, "z.example")]})
        post.resolver.set("d2.example", {"MX": [(10, "z.example")]})
        post.resolver.set("z.example", LOCALHOST)
        results = await delivered(post, "a@d0.example", "b@d1.example", "c@d2.example")
        assert sorted(message.recipients for message in sink.messages) == [
            ("a@d0.example", "b@d1.example"),
            ("c@d2.example",),
        ]
        assert results[0][0].place.host == "y.example"


# -- the next exchanger -----------------------------------------------------------------------------------------------


async def test_a_domain_that_was_put_off_altogether_goes_to_the_next(make_post: Callable[..., Any]) -> None:
    """Judged for each domain: one was taken in part and stays, one was put off, one has somebody refused for good."""
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        set_domains(post, 3, (10, "a.example"), (20, "b.example"))
        refuse = {"r0@d0": VAGUE, "r2@d1": VAGUE, "r3@d1": VAGUE, "r4@d2": "550 5.1.1 nobody", "r5@d2": VAGUE}
        for text, answer in refuse.items():
            sink.script("RCPT", answer, times=2 if text.endswith("d1") else 1, contains=text)
        names = [f"r{n}@d{n // 2}.example" for n in range(6)]
        results = await delivered(post, *names)
        merged = {ordinal: outcome for result in results for ordinal, outcome in result.items()}
        kinds = [type(merged[ordinal]) for ordinal in range(6)]
        assert kinds == [Deferred, Delivered, Delivered, Delivered, Failed, Delivered]
        assert [merged[ordinal].place.host for ordinal in range(6)] == [
            "a.example",
            "a.example",
            "b.example",
            "b.example",
            "a.example",
            "b.example",
        ]
        assert got(sink) == sorted(f"r{n}@d{n // 2}.example" for n in (1, 2, 3, 5))
        assert sink.messages[0].recipients == ("r1@d0.example",)


@pytest.mark.parametrize("step", ["MAIL", "DATA", "DOT", "RCPT"])
async def test_a_message_that_was_put_off_goes_to_the_next(make_post: Callable[..., Any], step: str) -> None:
    async with SmtpSink(PLAIN) as sink:
        post = make_post(port=sink.address[1])
        set_domains(post, 1, (10, "a.example"), (20, "b.example"))
        sink.script(step, "451 4.3.2 not now")
        (result,) = await delivered(post, "a@d0.example")
        assert isinstance(result[0], Delivered)
        assert result[0].place.host == "b.example"


@pytest.mark.parametrize("step", ["MAIL", "DATA", "DOT", "RCPT"])
async def test_a_message_that_was_refused_does_not(make_post: Callable[..., Any], step: str) -> None:
    async with SmtpSink(PLAIN) as sink:
        post = make_post(port=sink.address[1])
        set_domains(post, 1, (10, "a.example"), (20, "b.example"))
        sink.script(step, "554 5.7.1 never")
        (result,) = await delivered(post, "a@d0.example")
        assert isinstance(result[0], Failed)
        assert sink.sessions_seen == 1


@pytest.mark.parametrize("answer", [CLOSE, "421 4.3.2 busy", SILENCE])
async def test_a_host_that_sends_us_away_at_mail_is_passed_over(make_post: Callable[..., Any], answer: Any) -> None:
    async with SmtpSink(PLAIN) as sink:
        post = make_post(port=sink.address[1])
        set_domains(post, 2, (10, "a.example"), (10, "b.example"), (20, "c.example"))
        sink.script("MAIL", answer, times=2)
        message = post.message("a@d0.example", "b@d1.example")
        post.transport.deliver(message, post.results)
        if answer is SILENCE:
            for sessions in (1, 2):
                await post.until(
                    lambda sessions=sessions: [line[:4] for _, line in sink.commands].count("MAIL") == sessions
                )
                post.clock.advance(301.0)
        await post.results.wait_for(2)
        result = post.results.of[message[0]]
        assert result[0].place.host == "c.example"
        assert [message.recipients for message in sink.messages] == [("a@d0.example", "b@d1.example")]


async def test_what_the_last_one_says_when_nobody_takes_it(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        set_domains(post, 1, (10, "a.example"), (20, "b.example"))
        post.resolver.set("b.example", {"A": ["127.0.0.2"]})  # nobody listens there
        sink.script("RCPT", VAGUE)
        (result,) = await delivered(post, "a@d0.example")
        assert result[0].reply.text == "Try again"  # says more than that the other one could not be reached
        (again,) = await delivered(post, "a@d0.example")
        assert isinstance(again[0], Delivered)


async def test_while_the_first_is_suspended_mail_goes_to_the_second(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        set_domains(post, 2, (10, "a.example"), (20, "b.example"))
        post.resolver.set("a.example", {"A": ["127.0.0.2"]})
        for n in range(3):
            (result,) = await delivered(post, f"r{n}@d{n % 2}.example")
            assert result[n % 1].place.host == "b.example"
        assert [event for _, event, _ in post.log.notes] == ["site_suspended"]
        assert sink.sessions_seen == 1
        post.resolver.set("a.example", LOCALHOST)
        post.clock.advance(61.0)
        (result,) = await delivered(post, "r@d0.example")
        assert result[0].place.host == "a.example"


async def test_who_may_be_tried_nowhere_is_postponed_until_the_first_may_be(make_post: Callable[..., Any]) -> None:
    post = make_post(port=1)
    set_domains(post, 1, (10, "a.example"), (20, "b.example"))
    (result,) = await delivered(post, "r@d0.example")
    assert isinstance(result[0], Deferred)
    post.clock.advance(10.0)
    (result,) = await delivered(post, "r@d0.example")
    assert isinstance(result, Postponed)
    assert result.until == post.clock.now() + 50.0
    post.transport.resume(None)
    (result,) = await delivered(post, "r@d0.example")
    assert isinstance(result[0], Deferred)


async def test_domains_meet_again_at_the_second_exchanger(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        for n in range(4):
            post.resolver.set(f"d{n}.example", {"MX": [(10, f"dead{n % 2}.example"), (20, "backup.example")]})
            post.resolver.set(f"dead{n % 2}.example", {"A": ["127.0.0.2"]})
        post.resolver.set("backup.example", LOCALHOST)
        await delivered(post, *(f"r@d{n}.example" for n in range(4)))
        assert len(got(sink)) == 4
        assert sink.sessions_seen <= 2
        assert len(sink.messages) <= 2


async def test_a_smarthost_that_puts_mail_off_is_followed_by_the_next(post: Any) -> None:
    async with SmtpSink() as first, SmtpSink() as second:
        to = post.smarthost(first.address, second.address)
        first.script("RCPT", VAGUE, contains="d1")
        outcome = await post.sent("a@d0.example", "b@d1.example", to=to)
        assert isinstance(outcome, Delivered)
        assert (got(first), got(second)) == (["a@d0.example", "b@d1.example"], [])  # once more, by itself
        first.script("MAIL", VAGUE, times=2)  # it seems to want one domain at a time
        assert isinstance(await post.sent("a@d0.example", "b@d1.example", to=to), Delivered)
        assert got(second) == ["a@d0.example", "b@d1.example"]
