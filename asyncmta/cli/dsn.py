"""`asyncmta dsn`: the words of reports to senders, to begin one's own template with, and to look at before senders do.

`template` prints a template that comes with the program, with comments; `preview` an example of a report.
"""

from __future__ import annotations

import click

from asyncmta.bounce.dsn import build_dsn
from asyncmta.bounce.dsn_example import KINDS, example
from asyncmta.bounce.dsn_template import Template
from asyncmta.bounce.template_file import TemplateRefused, template_of
from asyncmta.bounce.templates import LANGUAGES, TEXTS
from asyncmta.cli.exits import Exit, Stop
from asyncmta.cli.where import config_option, load_settings

LANGUAGE = click.Choice(tuple(LANGUAGES))


@click.group(name="dsn")
@config_option
def command() -> None:
    """The words of reports to senders."""


@command.command()
@click.option("--language", type=LANGUAGE, default="en", show_default=True, help="Which one.")
@config_option
def template(language: str) -> None:
    """Print a template that explains itself, for bounce.template."""
    click.echo(TEXTS[language], nl=False)


@command.command()
@click.option("--kind", type=click.Choice(KINDS), default="mixed", show_default=True, help="What the report is about.")
@click.option("--language", type=LANGUAGE, help="Instead of that of bounce.language.")
@click.option("--template", "path", metavar="FILE", help="Instead of that of bounce.template.")
@click.option("--whole", is_flag=True, help="The whole report as it is sent, and not only its text for people.")
@config_option
def preview(kind: str, language: str | None, path: str | None, whole: bool) -> None:
    """Print an example of a report to a sender.

    In the words of the settings, or of a file.
    """
    settings = load_settings()
    if path is None:
        path = settings.bounce.template if language is None else ""
    words = _words(language or settings.bounce.language, path)
    facts = example(kind, hostname=settings.hostname, postmaster=str(settings.postmaster))
    octets = build_dsn(facts, words)
    click.echo(octets if whole else _shown(octets), nl=False)


def _words(language: str, path: str) -> Template:
    try:
        return template_of(language, path)
    except TemplateRefused as refused:
        raise Stop(Exit.DATA, "\n".join(refused.faults)) from None


def _shown(octets: bytes) -> str:
    """Subject and text, as a mail reader shows them."""
    from email import message_from_bytes, policy  # noqa: PLC0415 - slow to import, and for this alone

    report = message_from_bytes(octets, policy=policy.default)
    text = next(report.iter_parts()).get_content()
    return f"Subject: {report['Subject']}\n\n{text.replace(chr(13), '')}"
