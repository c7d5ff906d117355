"""What aiosmtplib does with a transaction that we do not want, and that our octets on the wire do not show.

Each test has both: the library, so that we hear of it should it change, and our own client against the same server.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aiosmtplib
import pytest
from msgspec.structs import replace

from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Recipient
from asyncmta.mail.outcome import Deferred, Delivered, Failed
from asyncmta.testing.sink_values import CLOSE, SinkSettings
from asyncmta.testing.smtp_sink import SmtpSink

PLAIN = SinkSettings(extensions=())
LETTER = b"Subject: x\r\n\r\nplain\r\n"


async def library(sink: SmtpSink, recipients: Sequence[str], content: bytes = LETTER) -> Any:
    """What `sendmail` returns; the session is left in good order."""
    host, port = sink.address
    async with aiosmtplib.SMTP(hostname=host, port=port, local_hostname="us.example", start_tls=False) as client:
        return await client.sendmail("sender@example.org", recipients, content)


def said(sink: SmtpSink, verb: str) -> list[str]:
    return [line for _, line in sink.commands if line.startswith(verb)]


async def test_recipients_are_written_as_they_came(post: Any) -> None:
    """quote_address takes an address apart and writes it anew."""
    recipient = '"a\\.b"@example.net'
    async with SmtpSink(PLAIN) as sink:
        await library(sink, [recipient])
        assert said(sink, "RCPT") == ['RCPT TO:<"a.b"@example.net>']
        assert isinstance(await post.sent(recipient, to=post.smarthost(sink.address)), Delivered)
        assert said(sink, "RCPT")[1:] == [f"RCPT TO:<{recipient}>"]


async def test_nothing_is_taken_for_a_display_name(post: Any) -> None:
    """The library looks for an address in whatever text it is given; ours are values that were parsed strictly."""
    async with SmtpSink(PLAIN) as sink:
        await library(sink, ["Eve <eve@example.com> (bob@example.net)"])
        assert said(sink, "RCPT") == ["RCPT TO:<eve@example.com>"]
        with pytest.raises(ValueError, match="local-part"):
            parse_address("Eve <eve@example.com> (bob@example.net)")
        assert isinstance(await post.sent(to=post.smarthost(sink.address)), Delivered)


@pytest.mark.parametrize("extensions", [("CHUNKING", "BINARYMIME"), ("PIPELINING", "CHUNKING", "BINARYMIME")])
async def test_line_ends_stay_what_they_are(post: Any, extensions: tuple[str, ...]) -> None:
    """The library makes CR LF of each CR and each LF, so that what a signature covers is not what arrives."""
    octets = b"Subject: x\r\n\r\nbare\nand\rand\r\r\nend"
    async with SmtpSink(SinkSettings(extensions=extensions)) as sink:
        await library(sink, ["bob@example.net"], octets)
        assert sink.messages[0].content == b"Subject: x\r\n\r\nbare\r\nand\r\nand\r\n\r\nend\r\n"
        (consignment,) = post.message("bob@example.net", to=post.smarthost(sink.address), content=(octets,))
        consignment.envelope = replace(consignment.envelope, body="BINARYMIME")
        post.transport.deliver([consignment], post.results)
        await post.results.wait_for(1)
        assert sink.messages[1].content == octets


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",), ("CHUNKING",), ("PIPELINING", "CHUNKING")])
async def test_text_with_dots_arrives_as_it_was(post: Any, extensions: tuple[str, ...]) -> None:
    """Both double dots; ours were doubled on the way in, and no pass over the content is made on the way out."""
    octets = b"Subject: x\r\n\r\n.\r\n..\r\n.x\r\n\r\n.\r\n"
    wire = octets.replace(b"\r\n.", b"\r\n..")
    async with SmtpSink(SinkSettings(extensions=extensions)) as sink:
        await library(sink, ["bob@example.net"], octets)
        assert isinstance(await post.sent(to=post.smarthost(sink.address), content=(wire,)), Delivered)
        assert [message.content for message in sink.messages] == [octets, octets]


async def test_a_refused_reset_is_no_success(post: Any) -> None:
    """After a failed transaction the library says RSET and looks away; its connection seems fine and is not."""
    async with SmtpSink(PLAIN) as sink:
        host, port = sink.address
        client = aiosmtplib.SMTP(hostname=host, port=port, local_hostname="us.example", start_tls=False)
        sink.script("DATA", "451 4.3.0 later", times=2)
        sink.script("RSET", "502 5.5.1 no such thing", times=1)
        async with client:
            with pytest.raises(aiosmtplib.SMTPDataError):
                await client.sendmail("sender@example.org", ["bob@example.net"], LETTER)
            with pytest.raises(aiosmtplib.SMTPSenderRefused) as nested:
                await client.sendmail("sender@example.org", ["bob@example.net"], LETTER)
            assert nested.value.code == 503  # the one before is still open, and this one suffers for it
        sink.violations.clear()
        to = post.smarthost(sink.address)
        sink.script("RSET", "502 5.5.1 no such thing", times=1)
        assert isinstance(await post.sent(to=to), Deferred)  # for DATA was refused
        assert isinstance(await post.sent(to=to), Delivered)  # on another connection
        assert sink.sessions_seen == 3
        assert not sink.violations


async def test_a_connection_lost_at_reset_is_not_forgotten(post: Any) -> None:
    async with SmtpSink(PLAIN) as sink:
        to = post.smarthost(sink.address)
        sink.script("RCPT", "550 5.1.1 nobody", times=1)
        sink.script("RSET", CLOSE, times=1)
        assert isinstance(await post.sent(to=to), Failed)
        assert isinstance(await post.sent(to=to), Delivered)
        assert sink.sessions_seen == 2


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",), ("PIPELINING", "CHUNKING")])
async def test_refused_recipients_are_remembered_when_the_content_is_refused(
    post: Any, extensions: tuple[str, ...]
) -> None:
    """The library raises for the content, and nobody hears of the 550 any more."""
    async with SmtpSink(SinkSettings(extensions=extensions)) as sink:
        sink.script("RCPT", "550 5.1.1 nobody", contains="eve", times=2)
        sink.script("DOT", "451 4.3.0 later", times=2)
        with pytest.raises(aiosmtplib.SMTPDataError) as error:
            await library(sink, ["bob@example.net", "eve@example.net"])
        assert "nobody" not in str(error.value)
        (consignment,) = post.message("bob@example.net", "eve@example.net", to=post.smarthost(sink.address))
        post.transport.deliver([consignment], post.results)
        await post.results.wait_for(1)
        bob, eve = (post.results.outcome(consignment, ordinal) for ordinal in (0, 1))
        assert isinstance(bob, Deferred)
        assert isinstance(eve, Failed)
        assert str(eve.reply) == "550 5.1.1 nobody"


async def test_each_recipient_has_its_own_parameters(post: Any) -> None:
    """The library has one list of RCPT options for all recipients."""
    never = Recipient(parse_address("bob@example.net"), notify=8)
    other = Recipient(parse_address("eve@example.net"), orcpt="rfc822;old@example.org")
    async with SmtpSink() as sink:
        assert isinstance(await post.sent(never, other, to=post.smarthost(sink.address)), Delivered)
        assert sink.messages[0].recipient_parameters == (("NOTIFY=NEVER",), ("ORCPT=rfc822;old@example.org",))
