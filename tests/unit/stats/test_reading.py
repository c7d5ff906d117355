"""Files, pipes and what happens to logs: each line counts once, and nothing in a file stops the reading."""

from __future__ import annotations

import gzip
import io
import json
import os

import pytest

from asyncmta.stats import sources
from asyncmta.stats.database import Database
from asyncmta.stats.reading import Progress, Reader
from asyncmta.stats.report import Window, draw
from asyncmta.stats.sources import Source, SourceFailed


def line(number: int, **facts: object) -> bytes:
    """A delivery at this second."""
    told = {
        "ts": f"2026-11-21T10:{number // 60:02d}:{number % 60:02d}.000Z",
        "level": "info",
        "event": "delivered",
        "queue_id": f"id{number}",
        "recipient": "bob@example.net",
        "reply": "250 ok",
        "enhanced": "",
        "delay": 1.0,
    }
    return json.dumps(told | facts).encode() + b"\n"


@pytest.fixture
def database(tmp_path):
    made = Database(str(tmp_path / "stats.sqlite"))
    yield made
    made.close()


def read(database: Database, *names: object) -> Progress:
    reader = Reader(database)
    for name in names:
        source = Source("-", io.BytesIO(name)) if isinstance(name, bytes) else Source.open(str(name))
        try:
            reader.read(source)
        finally:
            source.close()
    return reader.progress


def delivered(database: Database) -> int:
    return draw(database, Window(), 10).totals["delivered"].lines


LINES = [line(number) for number in range(100)]


def test_the_same_file_twice_is_counted_once_and_read_once(database, tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"".join(LINES))
    assert read(database, log).counted == 100
    again = read(database, log)
    assert (again.lines, again.counted, again.resumed) == (0, 0, log.stat().st_size)
    assert delivered(database) == 100


def test_a_file_that_grew_is_read_from_where_it_was_left(database, tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"".join(LINES[:60]))
    read(database, log)
    with open(log, "ab") as stream:
        stream.write(b"".join(LINES[60:]))
    grown = read(database, log)
    assert (grown.lines, grown.counted) == (40, 40)


def test_rotation_by_renaming_and_compression_counts_nothing_twice(database, tmp_path):
    log, rotated, packed = tmp_path / "log", tmp_path / "log.1", tmp_path / "log.2.gz"
    log.write_bytes(b"".join(LINES[:50]))
    read(database, log)
    log.rename(rotated)
    log.write_bytes(b"".join(LINES[50:]))
    found = read(database, log, rotated)
    assert (found.lines, found.counted) == (50, 50)
    packed.write_bytes(gzip.compress(rotated.read_bytes()))
    found = read(database, packed)
    assert (found.lines, found.known, found.counted) == (50, 50, 0)
    assert delivered(database) == 100


def test_a_file_that_was_cut_and_written_anew_is_read_from_its_beginning(database, tmp_path):
    """logrotate's copytruncate: the same inode, shorter, then longer than before."""
    log = tmp_path / "log"
    log.write_bytes(b"".join(LINES[:10]))
    read(database, log)
    log.write_bytes(b"".join(LINES[10:15]))
    assert read(database, log).counted == 5
    log.write_bytes(b"".join(LINES[15:]))
    assert read(database, log).counted == 85
    assert delivered(database) == 100


def test_what_overlaps_counts_once(database, tmp_path):
    first, second = b"".join(LINES[:70]), b"".join(LINES[30:])
    found = read(database, first, second, gzip.compress(first + second))
    assert (found.lines, found.counted, found.known) == (280, 100, 180)


def test_lines_that_are_the_same_and_yet_two(database):
    """One recipient twice in one message, settled in one millisecond."""
    twice = line(1) + line(2) + line(1, ts="2026-11-21T10:00:02.000Z") * 3
    assert read(database, twice).counted == 5
    assert read(database, twice).known == 5
    assert delivered(database) == 5


def test_the_last_line_without_its_end_is_read_again_when_it_has_one(database, tmp_path):
    log = tmp_path / "log"
    log.write_bytes(LINES[0] + LINES[1][:-30])
    found = read(database, log)
    assert (found.counted, found.broken) == (1, 1)
    log.write_bytes(LINES[0] + LINES[1])
    found = read(database, log)
    assert (found.lines, found.counted, found.broken) == (1, 1, 0)
    assert read(database, LINES[2].rstrip(b"\n")).counted == 1


def test_broken_lines_are_counted_and_skipped(database):
    junk = b"\n".join(
        [b"not json", LINES[3][:-20], b"\xff\xfe\x00", b'{"event":"delivered","ts":7}', b"", b"\x00" * 5000]
    )
    found = read(database, LINES[0] + junk + b"\n" + LINES[1] + b'{"ts":"2026-11-21T10:00:00Z","event":"ready"}\n')
    assert (found.lines, found.counted, found.broken, found.other) == (8, 2, 5, 1)


def test_a_line_without_an_end_costs_one_broken_line(database, monkeypatch):
    monkeypatch.setattr(sources, "CHUNK", 1000)
    monkeypatch.setattr(sources, "MAX_LINE", 3000)
    found = read(database, LINES[0] + b'{"ts":"' + b"x" * 100_000 + b"\n" + LINES[1])
    assert (found.lines, found.counted, found.broken) == (3, 2, 1)
    found = read(database, LINES[2] + b"{" * 100_000)
    assert (found.counted, found.broken) == (1, 1)


@pytest.mark.parametrize("size", [1, 7, 100, 200, 1000])
def test_blocks_of_any_size_give_the_same_lines(size, monkeypatch):
    monkeypatch.setattr(sources, "CHUNK", size)
    source = Source("-", io.BytesIO(b"".join(LINES) + b"rest"))
    found = [each for block in source.blocks() for each in block]
    assert found == [each.rstrip(b"\n") for each in LINES] + [b"rest"]
    assert source.offset == sum(map(len, LINES))
    assert source.position == source.offset + 4


def test_a_damaged_gzip_file_counts_as_far_as_it_goes(database, tmp_path):
    packed = gzip.compress(b"".join(line(number, queue_id=os.urandom(2000).hex()) for number in range(1000)))
    cut, spoiled = tmp_path / "cut.gz", tmp_path / "spoiled.gz"
    cut.write_bytes(packed[:-1000])
    spoiled.write_bytes(packed[:-3000] + b"\xff" * 2000 + packed[-1000:])
    for path in (cut, spoiled):
        with pytest.raises(SourceFailed, match=path.name):
            read(database, path)
    assert 0 < delivered(database) <= 1000


def test_files_that_cannot_be_opened(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(SourceFailed, match=str(path)):
            Source.open(str(path))


def test_an_empty_file_and_a_pipe(database, tmp_path):
    (tmp_path / "log").write_bytes(b"")
    assert read(database, tmp_path / "log").lines == 0
    reading, writing = os.pipe()
    with open(writing, "wb") as stream:
        stream.write(LINES[0])
    source = Source("-", open(reading, "rb"))  # noqa: SIM115 - it closes it
    assert source.size is None
    reader = Reader(database)
    reader.read(source)
    source.close()
    assert (reader.progress.counted, source.position) == (1, len(LINES[0]))


def test_batches_and_how_far_it_was_read_are_one(database, tmp_path, monkeypatch):
    """A reader that ends in the middle leaves what it put in, and the next one goes on behind it."""
    monkeypatch.setattr(sources, "CHUNK", 1000)
    monkeypatch.setattr("asyncmta.stats.reading.BATCH", 10)
    log = tmp_path / "log"
    log.write_bytes(b"".join(LINES))

    class Killed(BaseException):
        pass

    def on_read(source: Source) -> None:
        if source.position > 8000:
            raise Killed

    source = Source.open(str(log))
    with pytest.raises(Killed):
        Reader(database, on_read=on_read).read(source)
    source.close()
    so_far = delivered(database)
    assert 0 < so_far < 100
    found = read(database, log)
    assert (found.lines, found.counted) == (100 - so_far, 100 - so_far)
