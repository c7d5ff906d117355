"""Whatever a client sends as a secret, however it is split, pipelined or echoed: it is in nothing that is shown."""

from __future__ import annotations

import base64
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from asyncmta.tracing.masking import Masking

NAMES = st.from_regex(r"[a-z]{3,12}(@[a-z]{3,8}\.example)?", fullmatch=True)
SECRETS = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x17F, exclude_characters="\x7f\xa0\xad"), min_size=8, max_size=40
)
ENDINGS = st.sampled_from(["235 2.7.0 welcome", "535 5.7.8 no", "454 4.7.0 later", "501 5.5.2 what?"])


def b64(text):
    return base64.b64encode(text.encode()).decode()


def exchanges(mechanism, name, secret):
    """What a client says, in its order: the command, then its responses."""
    plain = b64(f"\0{name}\0{secret}")
    xoauth = b64(f"user={name}\x01auth=Bearer {secret}\x01\x01")
    digest = b64(f"{name} {secret}")
    return {
        "PLAIN with": [f"AUTH PLAIN {plain}"],
        "PLAIN": ["AUTH PLAIN", plain],
        "LOGIN": ["AUTH LOGIN", b64(name), b64(secret)],
        "LOGIN with": [f"auth login {b64(name)}", b64(secret)],
        "XOAUTH2": [f"AUTH XOAUTH2 {xoauth}", ""],
        "OAUTHBEARER": [f"AUTH OAUTHBEARER {b64(f'n,a={name},{chr(1)}auth=Bearer {secret}{chr(1)}{chr(1)}')}", "AQ=="],
        "CRAM-MD5": ["AUTH CRAM-MD5", digest],
        "SCRAM": [f"AUTH SCRAM-SHA-256 {b64(f'n,,n={name},r=nonce')}", b64(f"c=biws,r=nonce,p={secret}")],
        "unknown": [f"AUTH X-{mechanism} {plain}", b64(secret)],
        "no mechanism": [f"AUTH {plain}"],
        "stuck together": [f"AUTHPLAIN {plain}"],
    }[mechanism]


MECHANISMS = (
    *("PLAIN with", "PLAIN", "LOGIN", "LOGIN with", "XOAUTH2", "OAUTHBEARER", "CRAM-MD5", "SCRAM", "unknown"),
    *("no mechanism", "stuck together"),
)


def cut(octets, places):
    at = sorted({0, len(octets), *(place % (len(octets) + 1) for place in places)})
    return [octets[first:last] for first, last in pairwise(at)]


def forms(mechanism, secret, lines):
    """How the secret could be seen."""
    found = {secret, b64(secret).rstrip("=")}
    for line in lines:
        found |= {word for word in line.split() if len(word) >= 8 and not word.upper().startswith("AUTH")}
    return {form.encode() for form in found} - {b"SCRAM-SHA-256", b"OAUTHBEARER", b"CRAM-MD5", b"X-unknown"}


@st.composite
def sessions(draw):
    """Turns of a session with a login: who speaks, and a chunk."""
    mechanism = draw(st.sampled_from(MECHANISMS))
    name, secret = draw(NAMES), draw(SECRETS)
    lines = exchanges(mechanism, name, secret)
    ending = draw(ENDINGS)
    echo = draw(st.sampled_from(["", secret, b64(secret), lines[0].split()[-1], lines[-1], lines[-1][:20]]))
    before = draw(st.sampled_from([[], ["EHLO me.example"], ["EHLO me.example", "NOOP", "RSET"]]))
    after = ["MAIL FROM:<a@example.org>", *draw(st.sampled_from([[], [lines[-1]], [f"x {secret}"]]))]
    is_pipelined = draw(st.booleans())
    places = draw(st.lists(st.integers(0, 10_000), max_size=8))
    turns = [(False, b"220 ready\r\n")]
    said = [f"{line}\r\n" for line in (*before, *lines)]
    answers = [f"250 {line.split()[0]} fine\r\n" for line in before]
    answers += ["334 VXNlcm5hbWU6\r\n"] * (len(lines) - 1)
    answers.append(f"{ending[:3]}-{echo}\r\n{ending} {echo}\r\n")
    if is_pipelined:
        turns += [(True, chunk) for chunk in cut("".join(said).encode(), places)]
        turns += [(False, chunk) for chunk in cut("".join(answers).encode(), places)]
    else:
        for line, answer in zip(said, answers, strict=True):
            turns += [(True, chunk) for chunk in cut(line.encode(), places)]
            turns += [(False, chunk) for chunk in cut(answer.encode(), places)]
    for line in after:
        turns += [(True, f"{line}\r\n".encode()), (False, f"500 what is {line}?\r\n".encode())]
    return turns, forms(mechanism, secret, lines)


@given(sessions())
def test_no_secret_is_shown(session):
    turns, secrets = session
    masking = Masking()
    shown = []
    for by_client, chunk in turns:
        shown += (masking.client if by_client else masking.server)(chunk)
    shown += masking.end()
    text = b"\n".join(each.octets for each in shown)
    for secret in secrets:
        assert secret.lower() not in text.lower(), (secret, text)
    assert b"AUTH" in text
    assert any(not each.by_client for each in shown)


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=40)), max_size=30), st.booleans(), st.booleans())
def test_anything_can_be_read_and_memory_is_bounded(turns, lmtp, content):
    masking = Masking(lmtp=lmtp, content=content)
    for by_client, chunk in turns:
        (masking.client if by_client else masking.server)(chunk)
    for each in masking.end():
        assert b"\n" not in each.octets


MAIL = (
    b"EHLO me\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n",
    b"Subject: x\r\n\r\nMAIL FROM:<hidden@example.org>\r\n..\r\n.\r\n",
    b"BDAT 6 LAST\r\nQUIT\r\nRSET\r\n",
)


@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_content_is_counted_at_any_split(places):
    masking = Masking(greeting=False)
    shown = []
    for octets, answer in zip(
        MAIL, (b"250 me\r\n250 ok\r\n250 ok\r\n354 go\r\n", b"250 queued\r\n", b"250 ok\r\n250 ok\r\n"), strict=True
    ):
        for chunk in cut(octets, places):
            shown += masking.client(chunk)
        for chunk in cut(answer, places):
            shown += masking.server(chunk)
    said = [each.octets for each in shown if each.by_client]
    assert said == [
        *MAIL[0].splitlines(),
        b"... 53 octets of content",
        b"BDAT 6 LAST",
        b"... 6 octets of content",
        b"RSET",
    ]
