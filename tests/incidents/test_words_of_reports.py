"""Reports in the language of the settings, and in the words of a file."""

from __future__ import annotations

import email
import email.policy

from tests.incidents.incidentkit import failed_recipients

CONTENT = "Subject: Grüße\r\n\r\nx\r\n".encode()


async def report_of(world, **bounce):
    mta = await world.mta("a.example", bounce=bounce)
    await mta.mta.submit("alice@a.example", ["nobody@nowhere.example"], CONTENT)
    await world.run()
    [octets] = mta.mailbox("alice")
    assert failed_recipients(octets) == ["nobody@nowhere.example"]
    report = email.message_from_bytes(octets, policy=email.policy.default)
    first = next(report.iter_parts())
    return report["Subject"], first["Content-Language"], first.get_content()


async def test_german(world):
    subject, language, text = await report_of(world, language="de")
    assert subject == "Unzustellbare Nachricht zurück an den Absender"
    assert language == "de"
    assert "Betreff:                             Grüße\n" in text


async def test_words_of_a_file_over_those_of_a_language(world, tmp_path):
    path = tmp_path / "words.txt"
    path.write_text(
        "[greeting]\nGuten Tag von {hostname}!\n[closing]\nMehr unter https://hilfe.a.example/\n", encoding="utf-8"
    )
    _, language, text = await report_of(world, language="de", template=str(path))
    assert language == "de"
    assert text.startswith("Guten Tag von mx.a.example!\n\nIhre Nachricht konnte")
    assert text.rstrip().endswith("Mehr unter https://hilfe.a.example/")
