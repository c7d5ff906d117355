"""bounce/template_file: a file of words read, or refused with the line of each fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncmta.bounce import template_file
from asyncmta.bounce.template_file import TemplateRefused, template_of
from asyncmta.bounce.templates import LANGUAGES


def refused(path: Path) -> tuple[str, ...]:
    with pytest.raises(TemplateRefused) as caught:
        template_of("de", str(path))
    return caught.value.faults


def test_words_of_a_file_lie_over_those_of_the_language(tmp_path: Path) -> None:
    path = tmp_path / "bounce.txt"
    path.write_text("[once]\nein einziges Mal\n", encoding="utf-8")
    read = template_of("de", str(path))
    assert read.words == {**LANGUAGES["de"].words, "once": "ein einziges Mal"}
    assert template_of("en") is LANGUAGES["en"]


def test_faults_name_file_and_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bounce.txt"
    assert refused(path) == (f"cannot be read: No such file or directory: {path}",)
    path.write_bytes(b"[once]\nx\n\xff\n")
    assert refused(path) == (f"{path}: line 3: not UTF-8",)
    path.write_bytes(b"[once]\n[at]\n{ip}\n")
    assert refused(path) == (
        f"{path}: line 1: [once] must not be empty",
        f"{path}: line 2: [at] has no placeholder {{ip}}; allowed: {{host}}",
    )
    monkeypatch.setattr(template_file, "MAX_FILE", 10)
    assert refused(path) == (f"{path}: larger than 10 octets",)
