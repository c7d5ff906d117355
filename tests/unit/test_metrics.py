"""The page of metrics: what a running MTA says there, in both formats, and that strangers cannot make it grow."""

from __future__ import annotations

import io
import json
from typing import NamedTuple

import aiohttp
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse

from asyncmta import Mta, Settings
from asyncmta.admin.door import Door
from asyncmta.delivery.backlog import Backlog
from asyncmta.delivery.busy_sites import MOST
from asyncmta.delivery.exchange import Exchanger, Site
from asyncmta.mail.envelope import QueueId
from asyncmta.mail.outcome import Place
from asyncmta.mail.reply import reply
from asyncmta.metric_names import CATALOGUE, FILE_SYSTEM, OLDEST, PREFIX, PROCESS, SITE_WAITING
from asyncmta.metric_readings import Reading
from asyncmta.metrics import buckets_of, family, render
from asyncmta.system.meter import Meter


class AtWork(NamedTuple):
    site: Site
    backlog: Backlog


CONTENT = b"Subject: hello\r\n\r\nHow are you?\r\n"


async def page(mta, accept=""):
    body, content_type = await mta.metrics(accept)
    return body.decode(), content_type


def values(text):
    """By sample name and labels, those that are sorted."""
    return {
        (sample.name.removeprefix(PREFIX), tuple(sorted(sample.labels.items()))): sample.value
        for found in parse(text)
        for sample in found.samples
    }


def of(found, name, **labels):
    return found[name, tuple(sorted(labels.items()))]


async def test_what_happened_is_counted(mta, smtp_sink):
    await mta.submit("me@example.org", ["you@example.net", "b@example.net"], CONTENT)
    await mta.idle(timeout=10)
    smtp_sink.script("RCPT", "450 4.2.1 Later")
    await mta.submit("me@example.org", ["c@example.net"], CONTENT)
    await mta.idle(timeout=10)
    text, content_type = await page(mta)
    assert content_type.startswith("text/plain; version=0.0.4")
    found = values(text)
    assert of(found, "accepted_messages_total", tls="none") == 2
    assert of(found, "accepted_recipients_total") == 3
    assert of(found, "accepted_bytes_total") > 2 * len(CONTENT)
    assert of(found, "attempts_total", reply="2xx") == 1
    assert of(found, "outcomes_total", outcome="delivered", cause="none") == 2
    assert of(found, "outcomes_total", outcome="deferred", cause="refused") == 1
    assert of(found, "retired_messages_total") == 1
    assert of(found, "queue_messages", state="deferred") == 1
    assert of(found, "queue_messages", state="active") == 0
    assert 0 <= of(found, "queue_oldest_age_seconds") < 60
    assert of(found, "delay_seconds_count", stage="queue") == 2
    assert of(found, "delay_seconds_count", stage="total") == 2
    assert of(found, "delay_seconds_count", stage="transfer") == 2
    assert of(found, "delay_seconds_count", stage="connect") == 1
    assert of(found, "outbound_connections_total", tls="none", verified="no") == 1
    assert of(found, "sites") == 1
    assert of(found, "sync_seconds_count") == of(found, "batch_records_count") > 0
    assert of(found, "journal_bytes", state="live") > 0
    assert of(found, "disk_free_bytes") > 0
    assert of(found, "inbound_sessions", role="relay") == 0
    assert of(found, "inbound_connections_total", role="relay") == 0
    assert of(found, "spool_persistent") in (0, 1)
    assert of(found, "ready") == of(found, "alive") == 1
    assert of(found, "process_resident_memory_bytes") > 1 << 20


async def test_every_name_is_in_the_catalogue_and_every_metric_is_there(mta_settings):
    hearing = {
        "webhook": [{"url": "http://127.0.0.1:1/", "secret": "whispered by nobody"}],
        "telemetry": {"endpoint": "http://127.0.0.1:1"},
    }
    async with Mta(Settings.from_dict(mta_settings | hearing)) as mta:
        text, _ = await page(mta)
    known = {each.shown.removesuffix("_total"): each for each in (*CATALOGUE, *PROCESS)}
    found = {each.name: each for each in parse(text)}
    unknown = found.keys() - known.keys() - {f"{name}_total" for name in known}
    assert not unknown
    lacking = known.keys() - found.keys()
    assert all("dns" in name for name in lacking) or not lacking, lacking
    for name, each in found.items():
        assert name.startswith(PREFIX)
        assert each.documentation.endswith(".") or name.startswith(f"{PREFIX}process_")


async def test_openmetrics_where_it_is_asked_for(mta):
    text, content_type = await page(mta, "application/openmetrics-text; version=1.0.0,text/plain;q=0.5")
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    names = {each.name for each in parse_open(text)}
    assert {"asyncmta_accepted_messages", "asyncmta_delay_seconds", "asyncmta_build"} <= names
    assert text.endswith("# EOF\n")


async def test_two_in_one_process_count_apart(mta, mta_settings, tmp_path):
    other = Settings.from_dict(mta_settings | {"spool": str(tmp_path / "other")})
    async with Mta(other, log_stream=io.BytesIO()) as second:
        await mta.submit("me@example.org", ["you@example.net"], CONTENT)
        assert of(values((await page(mta))[0]), "accepted_recipients_total") == 1
        assert of(values((await page(second))[0]), "accepted_recipients_total") == 0


async def test_a_level_that_hears_less_counts_the_same(mta_settings):
    log = io.BytesIO()
    settings = Settings.from_dict(mta_settings | {"log": {"level": "error", "format": "json"}})
    async with Mta(settings, log_stream=log) as mta:
        await mta.submit("me@example.org", ["you@example.net"], CONTENT)
        await mta.idle(timeout=10)
        assert of(values((await page(mta))[0]), "outcomes_total", outcome="delivered", cause="none") == 1
    assert [json.loads(line)["event"] for line in log.getvalue().splitlines()] == []


async def test_one_that_has_been_left_tells_what_it_can(mta_settings):
    async with Mta(Settings.from_dict(mta_settings), log_stream=io.BytesIO()) as mta:
        await mta.submit("me@example.org", ["you@example.net"], CONTENT)
        await mta.idle(timeout=10)
    found = values((await page(mta))[0])
    assert of(found, "ready") == 0
    assert of(found, "accepted_recipients_total") == 1
    assert not [name for name, _ in found if name.startswith("queue_")]


# -- the page, without an MTA ------------------------------------------------------------------------------------------


def test_labels_cannot_break_the_page():
    evil = 'a"} 1\nasyncmta_ready 0\\'
    body, _ = render([Reading(SITE_WAITING, {(evil,): 3.0})], "")
    found = {key: value for key, value in values(body.decode()).items() if key[0] == "site_waiting"}
    assert found == {("site_waiting", (("site", evil),)): 3.0}


def test_buckets_are_cumulated():
    meter = Meter((1.0, 2.5))
    for value in (0.5, 2.0, 2.0, 9.0):
        meter.add(value)
    assert buckets_of(meter.read()) == [("1.0", 1.0), ("2.5", 3.0), ("+Inf", 4.0)]


@pytest.mark.parametrize("accept", ["", "*/*", "text/html", "application/openmetrics-text"])
def test_whatever_is_accepted_there_is_a_page(accept):
    body, content_type = render([Reading(OLDEST, {(): 1.0})], accept)
    assert b"asyncmta_queue_oldest_age_seconds 1.0" in body
    assert "charset=utf-8" in content_type


def test_info_has_its_labels():
    (sample,) = family(Reading(FILE_SYSTEM, {("ext4", "no"): 1.0})).samples
    assert (sample.name, sample.labels) == (
        "asyncmta_spool_file_system_info",
        {"file_system": "ext4", "doubtful": "no"},
    )


async def test_no_page_walks_over_the_queue(mta, monkeypatch, smtp_sink):
    """However many wait, what is shown is kept as it goes along."""
    smtp_sink.script("RCPT", "450 4.2.1 Later")
    await mta.submit("me@example.org", ["you@example.net"], CONTENT)
    await mta.idle(timeout=10)

    def walk(*_):
        raise AssertionError("somebody walks over the queue")

    ledger = type(mta.rooms.store._ledger)
    for name in ("__iter__", "ids", "below"):
        monkeypatch.setattr(ledger, name, walk)
    monkeypatch.setattr(type(mta.rooms.store), "entries", walk)
    text, _ = await page(mta)
    monkeypatch.undo()
    assert of(values(text), "queue_messages", state="deferred") == 1


async def test_served_to_everybody_who_reaches_the_door(mta, tmp_path):
    """Without a token, as a scraper comes; and no other path is."""
    errors = []
    door = Door(
        mta,
        socket_path=str(tmp_path / "c.sock"),
        listen="127.0.0.1:0",
        token="a-long-enough-token",
        message_size=1000,
        on_error=lambda where, error: errors.append((where, error)),
    )
    await door.open()
    try:
        assert door.address is not None
        address = "http://{}:{}".format(*door.address)
        async with aiohttp.ClientSession() as session:
            async with session.get(
                f"{address}/metrics", headers={"Accept": "application/openmetrics-text"}
            ) as response:
                assert response.status == 200
                assert response.content_type == "application/openmetrics-text"
                assert "Server" not in response.headers
                text = await response.text()
            async with session.get(f"{address}/v1/queue") as response:
                assert response.status == 401
            async with session.post(f"{address}/metrics") as response:
                assert response.status == 405
    finally:
        await door.close()
    assert {each.name for each in parse_open(text)} >= {"asyncmta_ready", "asyncmta_sites"}
    assert errors == []


async def test_ten_thousand_hostile_domains_do_not_make_the_page_longer(mta, monkeypatch):
    """Nor do the names that they give their hosts."""
    sites = {}
    for number in range(10_000):
        host = f"mx{number}.{'x' * 60}.evil.example"
        sites[host] = AtWork(Site(host, (Exchanger(host),)), Backlog(20))
    with monkeypatch.context() as patched:
        patched.setattr(mta.rooms.remote, "_sites", sites)
        for number in range(10_000):
            place = Place(f"mx{number}.evil.example", "192.0.2.1", f"TLSv{number}")
            said = reply(450 + number % 100, f"{4 + (number % 100 >= 50)}.{number % 1000}.1", f"no {number}")
            mta.maillog.attempt(
                queue_id=QueueId(1),
                destination=f"mx:{number}.example",
                place=place,
                recipients=1,
                seconds=1.0,
                reply=said,
            )
            mta.maillog.refused(client="192.0.2.1", stage=f"X{number}", reply=said)
            mta.rooms.remote._equipment.traffic.opened(place, verified=False, seconds=1.0)
        text, _ = await page(mta)
    samples = [sample for found in parse(text) for sample in found.samples]
    assert len([each for each in samples if "site" in each.labels]) == 3 * (MOST + 1)
    assert len(samples) < 600
