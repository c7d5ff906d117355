"""inbound/certificates: when the files of the certificates are read again, and what the log says of it."""

from __future__ import annotations

import asyncio
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
import trustme

from asyncmta.inbound import certificates
from asyncmta.inbound.certificate_files import CertificatesRefused, Pair, TlsFiles
from asyncmta.inbound.certificates import LOOK, Certificates
from asyncmta.testing.clock import FakeClock
from tests.unit.inbound.inboundkit import KitLog

AUTHORITY = trustme.CA()


def write(path: Path, name: str) -> None:
    """As a careful program replaces a file."""
    AUTHORITY.issue_cert(name, common_name=name).private_key_and_cert_chain_pem.write_to_path(f"{path}.new")
    Path(f"{path}.new").rename(path)


class House:
    def __init__(self, folder: Path) -> None:
        self.first, self.second = folder / "first.pem", folder / "second.pem"
        write(self.first, "a.example")
        write(self.second, "b.example")
        self.clock = FakeClock()
        self.log = KitLog()
        files = TlsFiles((Pair(str(self.first)), Pair(str(self.second))))
        self.certificates = Certificates(files, monotonic=self.clock.monotonic, maillog=self.log)  # type: ignore[arg-type]

    async def after(self, seconds: float) -> ssl.SSLContext:
        self.clock.advance(seconds)
        return await self.certificates.context("off")


@pytest.fixture
async def house(tmp_path: Path) -> Any:
    house = House(tmp_path)
    yield house
    await house.certificates.close()


def test_files_that_cannot_be_used_refuse_the_start(tmp_path: Path) -> None:
    with pytest.raises(CertificatesRefused, match=r"none\.pem: cannot be read"):
        Certificates(TlsFiles((Pair(str(tmp_path / "none.pem")),)), monotonic=lambda: 0.0, maillog=KitLog())  # type: ignore[arg-type]


async def test_files_that_stay_are_read_once(house: House) -> None:
    before = await house.after(0)
    assert await house.after(LOOK) is before
    assert await house.after(1000 * LOOK) is before
    assert house.log.lines == []


async def test_a_changed_file_is_read_again_by_the_next_handshake(house: House) -> None:
    before = await house.after(0)
    write(house.second, "c.example")
    assert await house.after(LOOK / 2) is before
    after = await house.after(LOOK / 2)
    assert after is not before
    (line,) = house.log.of("tls_reloaded")
    assert line["level"] == "info"
    assert line["file"] == str(house.second)
    assert "CN=c.example" in line["subject"]
    assert line["expires"].endswith("Z")
    assert await house.after(LOOK) is after


async def test_a_file_that_is_only_written_anew_is_told_of_too(house: House) -> None:
    before = await house.after(0)
    house.first.write_bytes(house.first.read_bytes())
    assert await house.after(LOOK) is not before
    assert [line["file"] for line in house.log.of("tls_reloaded")] == [str(house.first)]


async def test_a_broken_file_keeps_what_was_there_and_is_told_of_once(house: House) -> None:
    before = await house.after(0)
    good = house.first.read_bytes()
    house.first.write_bytes(good[: len(good) // 2])
    for _ in range(3):
        assert await house.after(LOOK) is before
    (line,) = house.log.of("tls_reload_failed")
    assert line["level"] == "warning"
    assert line["reason"].startswith(f"{house.first}: not a certificate chain")
    house.first.unlink()
    for _ in range(3):
        assert await house.after(LOOK) is before
    assert len(house.log.of("tls_reload_failed")) == 2
    write(house.first, "d.example")
    assert await house.after(LOOK) is not before
    assert "CN=d.example" in house.log.of("tls_reloaded")[0]["subject"]


async def test_a_bug_is_told_of_and_the_handshake_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await house.after(0)

    def look(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(certificates, "look", look)
    assert await house.after(LOOK) is before
    (line,) = house.log.of("tls_reload_failed")
    assert isinstance(line["error"], ZeroDivisionError)


async def test_a_disk_that_hangs_holds_no_handshake_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await house.after(0)
    goes_on = threading.Event()
    looked = 0

    def look(*_: Any) -> None:
        nonlocal looked
        looked += 1
        goes_on.wait(10)

    monkeypatch.setattr(certificates, "look", look)
    monkeypatch.setattr(certificates, "WAIT", 0.0)
    for _ in range(3):
        assert await house.after(LOOK) is before
    assert looked == 1
    async with asyncio.timeout(5):
        await house.certificates.close()
    goes_on.set()
