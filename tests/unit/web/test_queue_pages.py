"""The pages of the queue and of a message over a real Mta: what is found, what is done, and what a stranger sent."""

from __future__ import annotations

import html
import re
from urllib.parse import quote

import pytest

from asyncmta.mail.envelope import ContentUnavailable, parse_queue_id
from asyncmta.spool.recovery import Damage
from asyncmta.system.clock import SystemClock
from asyncmta.web.queue_page import ROWS

SENDERS = ("me@example.org", "you@example.org", None)


@pytest.fixture
def clock():
    """Ages are asked for here, and the Mta's clock is the real one."""
    return SystemClock()


@pytest.fixture
async def queue(house):
    """Six messages: three held by a route, three deferred since nobody listens; by turns from three senders."""
    ids = []
    for number in range(6):
        domain = "held.example" if number < 3 else "away.example"
        content = b"Subject: number %d\r\n\r\nbody\r\n" % number
        ids.append(await house.submit(SENDERS[number % 3], [f"to{number}@{domain}"], content))
    await house.idle(timeout=10)
    return ids


# -- searching ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [5, 4, 3, 2, 1, 0]),
        ("?domain=&sender=&recipient=&state=&min_age=&max_age=&reply=", [5, 4, 3, 2, 1, 0]),
        ("?domain=HELD.example", [2, 1, 0]),
        ("?sender=me%40example.org", [3, 0]),
        ("?sender=%3C%3E", [5, 2]),
        ("?recipient=to4%40away.example", [4]),
        ("?state=held", [2, 1, 0]),
        ("?state=deferred&sender=you%40example.org", [4]),
        ("?min_age=1h", []),
        ("?max_age=1h&state=held", [2, 1, 0]),
        ("?reply=REFUSED", [3]),  # the site of the others was suspended by then
        ("?reply=4.4.1", [3]),
        ("?state=damaged", []),
    ],
)
async def test_what_a_search_finds(browser, queue, query, found):
    page = await browser.get(f"/queue{query}")
    assert page.status == 200
    assert page.ids == [queue[number] for number in found]
    assert ("No message matches." in page.text) == (not found)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?state=asleep", "There is no state"),
        ("?min_age=old", "is not understood"),
        ("?domain=a..b", "a..b"),
        ("?sate=held", "sate"),
        ("?cursor=rubbish", "search again"),
        ("?reply=" + "x" * 1001, "too long"),
    ],
)
async def test_a_search_that_is_not_understood_finds_nothing_and_says_why(browser, queue, query, said):
    page = await browser.get(f"/queue{query}")
    assert (page.status, page.ids) == (400, [])
    assert said in re.search(r'<p class="fault" role="alert">(.*?)</p>', page.text)[1]


async def test_counts_by_state(browser, queue):
    text = re.sub(r"<[^>]+>", " ", (await browser.get("/queue")).text)
    assert re.search(r"\b6 +all\s+3 +held\s+3 +deferred\s+0 +ready\s+0 +active\s+0 +damaged", text)


async def test_an_empty_queue_says_so(browser):
    page = await browser.get("/queue")
    assert "No message is queued." in page.text
    assert "table" not in page.tags


async def test_pages_go_on_where_the_last_one_ended_and_keep_the_search(browser, house):
    for number in range(2 * ROWS + 5):
        await house.submit("a@b.example", [f"n{number}@{'held' if number % 50 else 'away'}.example"], b"x")
    seen, path = [], "/queue?domain=held.example"
    for expected in (ROWS, ROWS, 2):
        page = await browser.get(path)
        assert len(page.ids) == expected
        seen += page.ids
        older = re.search(r'rel="next" href="([^"]+)"', page.text)
        path = html.unescape(older[1]) if older else ""
        assert "domain=held.example" in path or not older
    assert path == ""
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 2 * ROWS + 2


async def test_the_table_says_what_the_queue_says(browser, house, queue):
    page = await browser.get("/queue?recipient=to3%40away.example")
    row = house.message(queue[3])
    text = html.unescape(re.sub(r"<[^>]+>", " ", page.text))
    for said in (row.queue_id, "me@example.org", "to3@away.example", "deferred", row.recipients[0].next_hop):
        assert said in text
    assert row.recipients[0].last_reply in text


# -- doing ----------------------------------------------------------------------------------------------------------


def rows(house):
    return [(row.queue_id, row.state, row.attempts) for row in house.queue()]


def states(house, ids):
    return [row.state if (row := house.message(each)) is not None else None for each in ids]


async def test_what_is_ticked_is_held_and_released(browser, house, queue):
    page = await browser.do("hold", queue[3], queue[4])
    assert (page.status, page.note) == (200, "2 messages held.")
    assert states(house, queue[3:]) == ["held", "held", "deferred"]
    page = await browser.do("hold", queue[3])
    assert page.note.startswith("Nothing was changed")
    page = await browser.do("release", queue[3])
    assert page.note == "1 message released."
    await house.idle(timeout=10)
    assert states(house, queue[3:]) == ["deferred", "held", "deferred"]


async def test_what_is_ticked_is_tried(browser, house, queue):
    attempts = house.message(queue[3]).attempts
    assert (await browser.do("retry", queue[3])).note == "1 message to be tried now."
    await house.idle(timeout=10)
    assert house.message(queue[3]).attempts == attempts + 1


async def test_a_deletion_is_asked_for_first(browser, house, queue):
    page = await browser.do("delete", queue[3], queue[4])
    assert "<h1>Delete: are you sure?</h1>" in page.text
    assert "Delete 2 messages" in page.text
    assert None not in states(house, queue)
    form = dict(re.findall(r'type="hidden" name="([a-z]+)" value="([^"]*)"', page.text))
    assert re.findall(r'name="id" value="([^"]*)"', page.text) == [queue[3], queue[4]]
    del form["id"]
    done = await browser.post("/queue", form=[*form.items(), ("id", queue[3]), ("id", queue[4])])
    assert done.note == "2 messages deleted."
    assert states(house, queue[3:]) == [None, None, "deferred"]
    assert len(house.queue()) == 4  # nobody was told


async def test_deleted_with_a_bounce_the_sender_is_told(browser, house, queue):
    page = await browser.do("delete", queue[0], bounce="yes", confirmed="yes")
    assert page.note == "1 message deleted, and reported to their senders."
    await house.idle(timeout=10)
    assert house.message(queue[0]) is None
    [bounce] = [row for row in house.queue() if row.queue_id not in queue]
    assert (bounce.sender, [each.address for each in bounce.recipients]) == (None, ["me@example.org"])
    assert bounce.queue_id in (await browser.get("/queue?sender=%3C%3E&recipient=me%40example.org")).ids


@pytest.mark.parametrize("verb", ["retry", "hold", "release", "delete"])
async def test_what_a_search_finds_is_asked_for_first_whatever_is_done(browser, house, queue, verb):
    before = rows(house)
    page = await browser.do(verb, scope="matching", sender="me@example.org")
    assert "are you sure?" in page.text
    assert "2 messages" in page.text
    assert "all that match this search now" in page.text
    assert rows(house) == before


async def test_what_a_search_finds_is_what_it_is_done_to(browser, house, queue):
    page = await browser.do("delete", scope="matching", sender="me@example.org", confirmed="yes")
    assert (page.note, page.path.partition("&note")[0]) == ("2 messages deleted.", "/queue?sender=me@example.org")
    assert [number for number, each in enumerate(queue) if house.message(each)] == [1, 2, 4, 5]
    page = await browser.do("delete", scope="matching")
    assert "all of the queue" in page.text
    page = await browser.do("delete", scope="matching", confirmed="yes")
    assert page.note == "4 messages deleted."
    assert house.queue() == []


async def test_what_is_not_clear_does_nothing(browser, house, queue):
    before = rows(house)
    for verb, ids, more in (
        ("hold", [], {}),
        ("burn", [queue[3]], {}),
        ("delete", [], {"scope": "matching", "state": "asleep", "confirmed": "yes"}),
        ("delete", [], {"scope": "", "confirmed": "yes"}),
        ("delete", [], {"scope": "matching", "domain": "a..b", "confirmed": "yes"}),
    ):
        page = await browser.do(verb, *ids, **more)
        assert page.note or page.status == 400
    assert (await browser.do("hold", "no-such-id")).status == 400
    assert (await browser.do("delete", "0000000000000001")).status == 404
    assert (await browser.do("delete", scope="matching", domain="nobody.example")).status == 404
    assert rows(house) == before


# -- one message ----------------------------------------------------------------------------------------------------


async def test_a_message_with_its_history(browser, house, queue):
    page = await browser.get(f"/queue/{queue[3].upper()}")
    text = html.unescape(re.sub(r"<[^>]+>", " ", page.text))
    story = await house.why(queue[3])
    [person] = story.recipients
    for said in ("me@example.org", person.address, person.last.reply, person.why, person.decided_by, person.next_hop):
        assert said in text
    assert "number 3" in text
    assert "Received" in text
    assert "body" not in re.findall(r"<dd[^>]*>(.*?)</dd>", page.text, re.DOTALL)


async def test_its_buttons(browser, house, queue):
    def verbs(page):
        return re.findall(r'name="verb" value="([a-z]+)"', page.text)

    page = await browser.get(f"/queue/{queue[3]}")
    assert verbs(page) == ["retry", "hold", "delete"]
    page = await browser.do("hold", queue[3], **{"from": "message"})
    assert (page.path.partition("?")[0], page.note) == (f"/queue/{queue[3]}", "1 message held.")
    assert verbs(page) == ["retry", "release", "delete"]
    page = await browser.do("delete", queue[3], **{"from": "message"})
    assert f'href="/queue/{queue[3]}"' in page.text
    page = await browser.do("delete", queue[3], confirmed="yes", **{"from": "message"})
    assert page.path.partition("?")[0] == "/queue"


async def test_the_content_is_a_file_and_no_page(browser, house, queue):
    answer = await browser.get(f"/queue/{queue[3]}/content")
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{queue[3]}.txt"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.body.endswith(b"body\r\n")
    assert (await browser.get("/queue/0000000000000001/content")).status == 404


async def test_content_of_any_size(browser, house):
    content = b"Subject: large\r\n\r\n" + b"0123456789abcdef\r\n" * 40_000
    queue_id = await house.submit("me@example.org", ["you@held.example"], content)
    assert (await browser.get(f"/queue/{queue_id}/content")).body.endswith(content)
    page = await browser.get(f"/queue/{queue_id}")
    assert "large" in page.text
    assert len(page.body) < 20_000


async def test_content_that_cannot_be_read(browser, house, queue, monkeypatch):
    async def gone(_):
        raise ContentUnavailable("its segment is damaged")

    monkeypatch.setattr(house, "content", gone)
    page = await browser.get(f"/queue/{queue[3]}")
    assert page.status == 200
    assert "its segment is damaged" in page.text
    assert (await browser.get(f"/queue/{queue[3]}/content")).status == 410


async def test_a_message_that_ends_while_it_is_looked_at(browser, house, queue, monkeypatch):
    async def gone(_):
        return None

    monkeypatch.setattr(house, "why", gone)
    page = await browser.get(f"/queue/{queue[3]}")
    assert page.status == 404
    assert "The log says what became of it" in page.text


# -- strangers ------------------------------------------------------------------------------------------------------

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
TURNED = "\u202e\x1b[2J"


async def test_nothing_that_a_stranger_sent_becomes_markup(browser, house):
    sender = '"<script>alert(1)</script>"@example.org'
    recipient = '"\'><img src=x onerror=alert(2)>"@held.example'
    content = f"Subject: =?utf-8?b?4oCu?= {EVIL}\r\nX-{EVIL}: {EVIL}{TURNED}\r\n<b>x: {EVIL}\r\n\r\n".encode()
    queue_id = await house.submit(sender, [recipient], content)
    await house.idle(timeout=10)
    clean = await browser.get("/queue?sender=nobody%40example.org")
    for path in ("/queue", f"/queue/{queue_id}", "/queue?state=held"):
        page = await browser.get(path)
        assert page.status == 200
        assert page.tags.isdisjoint({"onerror", "b onerror"})
        assert page.text.count("<script") == clean.text.count("<script")
        assert "<img" not in page.text
        assert TURNED[0] not in page.text
        assert "\x1b" not in page.text
    assert "\\u202e" in page.text or "\\u202e" in (await browser.get(f"/queue/{queue_id}")).text


@pytest.mark.parametrize("path", ["/queue?sender={}", "/queue?domain={}", "/queue?{}=1", "/queue/{}", "/login?to={}"])
async def test_nothing_in_an_address_becomes_markup(browser, stranger, path):
    for each in (browser, stranger):
        page = await each.get(path.format(quote(EVIL + TURNED, safe="")))
        assert "<img" not in page.text
        assert "alert(1)</script>" not in page.text


async def test_nothing_in_a_form_becomes_markup(browser, house, queue):
    for verb, more in (("delete", {"sender": EVIL}), ("delete", {"reply": EVIL}), (EVIL, {})):
        page = await browser.do(verb, scope="matching", **more)
        assert "<img" not in page.text
    page = await browser.do("delete", queue[0], EVIL)
    assert page.status == 400
    assert "<img" not in page.text


async def test_a_reply_of_a_next_hop(browser, house, queue, monkeypatch):
    story = await house.why(queue[3])
    [person] = story.recipients
    person.last.reply = f"450 {EVIL}{TURNED}"
    person.last.host = EVIL

    async def why(_):
        return story

    monkeypatch.setattr(house, "why", why)
    page = await browser.get(f"/queue/{queue[3]}")
    assert "<img" not in page.text
    assert "&lt;img" in page.text
    assert TURNED[0] not in page.text


async def test_a_damaged_message_can_be_seen_and_deleted(browser, house, queue, monkeypatch):
    """Of one that was set aside little is known."""
    damage = Damage(1, 100, 200, f"it is torn {EVIL}", parse_queue_id("zzzz000020000001"))
    monkeypatch.setattr(house.rooms.store, "damaged", lambda: [damage])
    page = await browser.get("/queue")
    assert page.ids[0] == "zzzz000020000001"
    page = await browser.get("/queue/zzzz000020000001")
    assert page.status == 200
    assert "it is torn &#34;&gt;&lt;script" in page.text
    assert re.findall(r'name="verb" value="([a-z]+)"', page.text) == ["delete"]
    assert "None is known." in page.text
