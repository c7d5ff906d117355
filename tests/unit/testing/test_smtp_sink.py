"""The sink and the raw client, each as the other's counterpart."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator

import pytest
import trustme

from asyncmta.testing.client import RawClient, cut
from asyncmta.testing.smtp_sink import CLOSE, SILENCE, SinkSettings, SmtpSink

TRANSACTION = b"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nDATA\r\n"


@pytest.fixture
async def sink() -> AsyncIterator[SmtpSink]:
    async with SmtpSink() as sink:
        yield sink


async def connected(sink: SmtpSink) -> RawClient:
    client = RawClient(*sink.address)
    await client.connect()
    await client.hello()
    return client


async def test_a_message_byte_for_byte(sink: SmtpSink) -> None:
    async with RawClient(*sink.address) as client:
        assert (await client.reply()).code == 220
        ehlo = await client.command("EHLO me.example")
        assert {"PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN"} <= set(ehlo.lines)
        content = b"Subject: x\r\n\r\n.one\r\n..two\r\n.\r\nsnow \xe2\x98\x83\r\n"
        replies = await client.send_message(
            "a@x.example", ["b@y.example", "c@y.example"], content, parameters="BODY=8BITMIME SIZE=60"
        )
        assert [reply.code for reply in replies] == [250, 250, 250, 354, 250]
        assert (await client.command("QUIT")).code == 221
        assert await client.read_reply() == b""
    [message] = await sink.wait_for(1)
    assert message.content == content
    assert message.reverse_path == "a@x.example"
    assert message.mail_parameters == ("BODY=8BITMIME", "SIZE=60")
    assert message.recipients == ("b@y.example", "c@y.example")
    assert (message.session, message.helo, message.tls, message.login) == (1, "me.example", False, None)
    assert not sink.violations
    assert sink.open_sessions == 0


@pytest.mark.parametrize("split", [1, 2, 3, 7, 1000])
async def test_the_same_at_every_split(sink: SmtpSink, split: int) -> None:
    client = await connected(sink)
    content = b"Subject: x\r\n\r\n.dot\r\nend\r\n"
    await client.send(TRANSACTION, split=split)
    assert [(await client.reply()).code for _ in range(3)] == [250, 250, 354]
    await client.send(b"Subject: x\r\n\r\n..dot\r\nend\r\n.\r\nRSET\r\nNOOP\r\n", split=split)
    assert [(await client.reply()).code for _ in range(3)] == [250, 250, 250]
    await client.close()
    assert [message.content for message in sink.messages] == [content]
    assert not sink.violations


async def test_two_contents_in_one_session_and_an_empty_one(sink: SmtpSink) -> None:
    client = await connected(sink)
    for _ in range(2):
        await client.send(TRANSACTION)
        for _ in range(3):
            await client.reply()
        await client.send(b".\r\n")
        assert (await client.reply()).code == 250
    await client.close()
    assert [message.content for message in sink.messages] == [b"", b""]


async def test_bdat(sink: SmtpSink) -> None:
    client = await connected(sink)
    await client.send(TRANSACTION.replace(b"DATA\r\n", b"BDAT 3\r\n\r\n.BDAT 0\r\nBDAT 3 LAST\r\n\r\nx"), split=1)
    assert [(await client.reply()).code for _ in range(4)] == [250, 250, 250, 250]
    assert (await client.reply()).code == 250
    await client.send(b"MAIL FROM:<>\r\nRCPT TO:<b@y.example>\r\nBDAT 5 LAST\r\n.\r\n\r\n")
    assert [(await client.reply()).code for _ in range(3)] == [250, 250, 250]
    await client.send(b"BDAT x\r\n")
    assert (await client.reply()).code == 501
    assert await client.read_reply() == b""
    await client.close()
    assert [(message.reverse_path, message.content) for message in sink.messages] == [
        ("a@x.example", b"\r\n.\r\nx"),
        ("", b".\r\n\r\n"),
    ]


async def test_bdat_without_a_transaction_is_read_and_refused(sink: SmtpSink) -> None:
    client = await connected(sink)
    await client.send(b"BDAT 6 LAST\r\nQUIT\r\nMAIL FROM:<>\r\nBDAT 1 LAST\r\nxDATA\r\n")
    assert [(await client.reply()).code for _ in range(4)] == [503, 250, 554, 554]
    await client.close()
    assert sink.messages == []


@pytest.mark.parametrize(
    ("octets", "codes"),
    [
        (b"NOOP\nNOOP\r\n", [500, 250]),
        (b"NO\rOP\r\n", [500]),
        (b"x" * 5000, [500]),
        (b"FROB\r\n", [500]),
        (b"\r\n", [500]),
        (b"MAIL FROM: <a@x.example>\r\n", [501]),
        (b"MAIL FROM:<a@x.example> FROB=1\r\n", [555]),
        (b"MAIL FROM:<a@x.example> AUTH=<>\r\n", [555]),
        (b"MAIL FROM:<a@x.example>\r\nMAIL FROM:<a@x.example>\r\n", [250, 503]),
        (b"MAIL FROM:<a@x.example>\r\nRCPT TO:<>\r\n", [250, 501]),
        (b"MAIL FROM:<\xc3\xa9@x.example>\r\n", [553]),
        (b"RCPT TO:<b@y.example>\r\n", [503]),
        (b"DATA\r\n", [503]),
        (b"EHLO\r\n", [501]),
        (b"STARTTLS\r\n", [503]),
        (b"AUTH PLAIN AGEAYg==\r\n", [503]),
        (b"NOOP\r\nNOOP\r\n", [250, 250]),
    ],
)
async def test_what_a_strict_server_refuses_is_noted(sink: SmtpSink, octets: bytes, codes: list[int]) -> None:
    client = await connected(sink)
    await client.send(octets)
    assert [(await client.reply()).code for _ in codes] == codes
    await client.close()
    assert len(sink.violations) == 1


async def test_a_bare_line_end_in_content_is_refused(sink: SmtpSink) -> None:
    client = await connected(sink)
    await client.send(TRANSACTION)
    for _ in range(3):
        await client.reply()
    await client.send(b"a\nb\r\n.\r\n")
    assert (await client.reply()).code == 550
    await client.close()
    assert sink.messages == []
    assert sink.violations == ["a bare CR or LF in the content"]


async def test_pipelining_that_was_not_offered_is_noted() -> None:
    async with SmtpSink(SinkSettings(extensions=())) as sink:
        client = await connected(sink)
        await client.send(b"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\n")
        assert [(await client.reply()).code for _ in range(2)] == [250, 250]
        await client.close()
        assert len(sink.violations) == 1


async def test_smtputf8_once_for_the_transaction(sink: SmtpSink) -> None:
    client = await connected(sink)
    await client.send("MAIL FROM:<é@x.example> SMTPUTF8\r\nRCPT TO:<ü@y.example>\r\n".encode())
    assert [(await client.reply()).code for _ in range(2)] == [250, 250]
    await client.close()


async def test_sizes() -> None:
    async with SmtpSink(SinkSettings(max_size=10)) as sink:
        client = await connected(sink)
        assert (await client.command("MAIL FROM:<a@x.example> SIZE=11")).code == 552
        replies = await client.send_message("a@x.example", ["b@y.example"], b"0123456789\r\n")
        assert replies[-1].code == 552
        await client.close()
        assert (sink.messages, sink.violations) == ([], [])


async def test_scripts_are_used_up_in_order_and_choose_by_text(sink: SmtpSink) -> None:
    sink.script("RCPT", "450 4.2.1 first\n450 4.2.1 second line", contains="B@Y")
    sink.script("RCPT", lambda line: "550 5.1.1 no" if "gone" in line else None, times=2)
    sink.script("DOT", "452 4.3.1 full")
    client = await connected(sink)
    replies = await client.send_message(
        "a@x.example", ["c@y.example", "b@y.example", "b@y.example", "gone@y.example"], b"x"
    )
    assert [reply.code for reply in replies] == [250, 250, 450, 250, 550, 354, 452]
    assert replies[2].lines == ("first", "second line")
    assert (await client.send_message("a@x.example", ["b@y.example"], b"x"))[-1].code == 250
    await client.close()
    [message] = sink.messages
    assert message.session == 1
    assert not sink.violations


async def test_a_scripted_refusal_changes_no_state(sink: SmtpSink) -> None:
    sink.script("MAIL", "451 4.3.0 later")
    sink.script("RCPT", b"550 5.1.1 raw\r\n")
    sink.script("DATA", "451 4.3.0 later")
    sink.script("RSET", "250 fine")
    sink.script("NOOP", "451 no")
    sink.script("QUIT", "500 what")
    client = await connected(sink)
    assert (await client.command("MAIL FROM:<a@x.example>")).code == 451
    assert (await client.send_message("a@x.example", ["b@y.example"], b"x"))[-1].code == 550
    assert (await client.command("RCPT TO:<b@y.example>")).code == 250
    assert (await client.command("DATA")).code == 451
    assert (await client.command("RSET")).code == 250
    assert (await client.command("NOOP")).code == 451
    assert (await client.command("QUIT")).code == 500
    assert await client.read_reply() == b""
    await client.close()


async def test_closing_silence_and_421(sink: SmtpSink) -> None:
    sink.script("GREETING", CLOSE)
    async with RawClient(*sink.address) as client:
        with pytest.raises(ConnectionError):
            await client.reply()
    sink.script("EHLO", "421 4.3.2 going down")
    async with RawClient(*sink.address) as client:
        await client.reply()
        assert (await client.command("EHLO x")).code == 421
        assert await client.read_reply() == b""
    sink.script("GREETING", SILENCE)
    async with RawClient(*sink.address, timeout=0.05) as client:
        with pytest.raises(TimeoutError):
            await client.reply()
    assert sink.sessions_seen == 3


async def test_behind_a_refusing_greeting_only_quit_is_taken(sink: SmtpSink) -> None:
    sink.script("GREETING", "554 go away")
    async with RawClient(*sink.address) as client:
        assert (await client.reply()).code == 554
        assert (await client.command("EHLO x")).code == 503
        assert (await client.command("QUIT")).code == 221


async def test_helo_has_no_extensions(sink: SmtpSink) -> None:
    async with RawClient(*sink.address) as client:
        await client.reply()
        assert await client.command("HELO x") is not None
        assert (await client.command("MAIL FROM:<a@x.example>")).code == 250
    assert sink.commands == [(1, "HELO x"), (1, "MAIL FROM:<a@x.example>")]


async def test_auth() -> None:
    plain = base64.b64encode(b"\0ann\0secret").decode()
    async with SmtpSink(SinkSettings(logins={"ann": "secret"})) as sink:
        client = await connected(sink)
        assert (await client.command("AUTH PLAIN " + base64.b64encode(b"\0ann\0wrong").decode())).code == 535
        assert (await client.command("AUTH PLAIN =")).code == 535
        assert (await client.command("AUTH PLAIN !!!")).code == 501
        assert (await client.command("AUTH LOGIN")).code == 334
        assert (await client.command(base64.b64encode(b"ann").decode())).code == 334
        assert (await client.command(base64.b64encode(b"secret").decode())).code == 235
        assert (await client.send_message("a@x.example", ["b@y.example"], b"x"))[-1].code == 250
        await client.close()
        client = await connected(sink)
        assert (await client.command("AUTH PLAIN")).code == 334
        assert (await client.command(plain)).code == 235
        assert (await client.command("MAIL FROM:<a@x.example> AUTH=<>")).code == 250
        await client.close()
        assert sink.messages[0].login == "ann"
        assert not sink.violations


@pytest.fixture(scope="module")
def certificates() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


async def test_starttls(certificates: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server, trusting = certificates
    async with SmtpSink(SinkSettings(tls=server)) as sink:
        async with RawClient(*sink.address) as client:
            assert "STARTTLS" in (await client.hello()).lines
            assert (await client.command("STARTTLS")).code == 220
            await client.start_tls(trusting)
            assert (await client.command("MAIL FROM:<a@x.example>")).code == 503, "EHLO has to be said again"
            sink.violations.clear()
            assert "STARTTLS" not in (await client.command("EHLO again")).lines
            assert (await client.send_message("a@x.example", ["b@y.example"], b"x"))[-1].code == 250
        [message] = await sink.wait_for(1)
        assert (message.session, message.tls, message.helo) == (1, True, "again")
        assert not sink.violations


async def test_a_client_that_does_not_like_our_certificate_is_let_go(
    certificates: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async with SmtpSink(SinkSettings(tls=certificates[0])) as sink:
        async with RawClient(*sink.address) as client:
            await client.hello()
            await client.command("STARTTLS")
            with pytest.raises(ssl.SSLError):
                await client.start_tls(ssl.create_default_context())
        async with RawClient(*sink.address) as client:
            await client.hello()
        assert sink.sessions_seen == 2


async def test_implicit_tls(certificates: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server, trusting = certificates
    async with SmtpSink(SinkSettings(tls=server, implicit_tls=True)) as sink:
        async with RawClient(*sink.address, tls=trusting) as client:
            assert "STARTTLS" not in (await client.hello()).lines
            assert (await client.send_message("a@x.example", ["b@y.example"], b"x"))[-1].code == 250
        assert sink.messages[0].tls


async def test_waiting_has_an_end(sink: SmtpSink) -> None:
    with pytest.raises(TimeoutError, match="0 messages of 1"):
        await sink.wait_for(1, timeout=0.01)


async def test_stopping_ends_sessions(sink: SmtpSink) -> None:
    client = await connected(sink)
    await sink.stop()
    await sink.stop()
    assert await client.read_reply() == b""
    await client.close()
    await client.close()
    with pytest.raises(RuntimeError):
        assert sink.address
    with pytest.raises(ConnectionError):
        await client.send(b"x")


def test_a_script_for_no_step_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no step"):
        SmtpSink().script("CONNECT", CLOSE)


async def test_a_client_may_go_at_any_time(sink: SmtpSink) -> None:
    client = await connected(sink)
    client.abort()
    client = await connected(sink)
    await client.send_eof()
    assert await client.read_reply() == b""
    await client.close()
    assert sink.messages == []


def test_octets_are_cut_as_asked() -> None:
    assert cut(b"abcdef", 0) == [b"abcdef"]
    assert cut(b"abcdef", 4) == [b"abcd", b"ef"]
    assert cut(b"abcdef", [1, 3, 99]) == [b"a", b"bc", b"def"]
    assert cut(b"", 0) == []
    assert cut(b"", [1]) == []
