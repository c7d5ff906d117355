"""asyncmta dsn: a template to begin with, and examples in its words."""

from __future__ import annotations

import email

import pytest

from asyncmta.bounce.dsn_example import KINDS
from asyncmta.bounce.dsn_template import SECTIONS, parse_template


@pytest.mark.parametrize("language", ["en", "de"])
def test_template_is_printed_with_comments_and_may_be_given_back(run, tmp_path, language):
    ended = run("dsn", "template", "--language", language)
    assert ended.code == 0
    assert set(parse_template(ended.out).words) == set(SECTIONS)
    assert ended.out.startswith("# ")
    path = tmp_path / "bounce.txt"
    path.write_text(ended.out, encoding="utf-8")
    mine, ours = run("dsn", "preview", "--template", str(path)), run("dsn", "preview", "--language", language)
    assert mine.out == ours.out


@pytest.mark.parametrize("kind", KINDS)
def test_preview_shows_what_a_sender_will_see(run, config, kind):
    ended = run("dsn", "preview", "--kind", kind)
    assert ended.code == 0
    assert "This is the mail system at mta.example.\n" in ended.out
    assert "Recipients handed to this server:" in ended.out
    whole = email.message_from_string(run("dsn", "preview", "--kind", kind, "--whole").out)
    assert whole.get_content_type() == "multipart/report"
    assert not whole.defects


def test_preview_speaks_as_the_settings_say(run, config):
    words = config.parent / "words.txt"
    words.write_text("[greeting]\nGuten Tag.\n", encoding="utf-8")
    with config.open("a") as file:
        file.write('[bounce]\nlanguage = "de"\ntemplate = "words.txt"\n')
    assert run("dsn", "preview").out.startswith(
        "Subject: Unzustellbare Nachricht zurück an den Absender\n\nGuten Tag.\n"
    )
    assert "This is the mail system" in run("dsn", "preview", "--language", "en").out


def test_preview_of_a_template_with_faults_says_where(run, config, tmp_path):
    path = tmp_path / "bad.txt"
    path.write_text("[nothing]\n", encoding="utf-8")
    ended = run("dsn", "preview", "--template", str(path))
    assert ended.code == 65
    assert ended.err.startswith(f"{path}: line 1: there is no section [nothing]; allowed are language, ")
