"""The relay probes of reliability.md 4.3.1 as a table: recipients by family, and the senders to cross them with.

D is an outside domain, L one of ours, H the name of this host, I its address. What stands here goes between the angle
brackets of RCPT, line ends and all.
"""

from __future__ import annotations

D, H, I = "outside.example", "mx.example.org", "[192.0.2.25]"  # noqa: E741 - the letters of the catalogue
WIDE_DOT, IDEOGRAPHIC_DOT = "\uff0e", "\u3002"

SENDERS = ["", f"x@{D}", "x@example.org", f"x@{H}", f"x@{I}", "x", '"x"@example.org']

FAMILIES = {
    "plain": ["u@D"],
    "percent hack": ["u%D@L", "u%D@I", "u%D@H", "u%D", "u%D%L@H", "u%L@D"],
    "quoted": ['"u@D"', '"u%D"', '"u@D"@L', '"u@D"@I', '"u@D"@H', '"D!u"@L', '"u\\@D"@L', '"u"@D'],
    "double at": ["u@D@L", "u@D@I", "u@D@H", "u@L@D", "u%L@L@D"],
    "source route": ["@L:u@D", "@I:u@D", "@H:u@D", "@D,@L:u@D", "@D:u@L", "@,@:u@D", "@L:@D:u@D", "@L,u@D"],
    "bang path": ["D!u", "D!u@L", "D!u@I", "D!u@H", "L!D!u", "L!u@D", "H!D!u@L"],
    "mixed": ["D!u%D@L", "@L:u%D@L", '@L:"u@D"@L', "D!u%L@H", '"D!u%D"@I'],
    "literals": ["u@[D]", "u@[1.2.3.4]", "u@1.2.3.4", "u@[IPv6:::1]", "u@[127.0.0.1]", "u@I", "u@[0x7f000001]",
                 "u@[2130706433]", "u@[IPv6:::ffff:192.0.2.25]", "u@[127.1]", "u@[]"],
    "look-alike": ["u@L.", "u@.L", "u@L.D", "u@D.L", "u@-L", "u@L%00.D", "u@L\0.D", f"u@L{WIDE_DOT}D", "u@xL", "u@L-",
                   f"u@L{IDEOGRAPHIC_DOT}D", "u@\uff2c\uff2f\uff23\uff21\uff2c", "u@L\u200b", "u@\u212aL"],
    "null and bare": ["", "@", "@L", "u", "postmaster", '" "@L', '""@L', "postmaster@D", '"postmaster"'],
    "syntax tricks": ["u@D (comment)@L", "<u@D>u@L", "u@L> ORCPT=rfc822;u@D", "u@L,u@D", "u@L;u@D", "u@L u@D",
                      "u@L> <u@D", "u@D,\r\n u@L", "u@L>\r\nRCPT TO:<u@D", "u@D\n@L", "(u@D)u@L", "u@L\tu@D"],
    "programs and files": ['"|id"@L', "|id", "|id@L", "/x", ":include:/x", '":include:/x"@L', '"/../../x"@L', "/x@L"],
    "UUCP and X.400": ["u::D@L", "u::D@I", "/G=a/S=b/@L", "/G=a/S=b/@D"],
}  # fmt: skip


def probes(local: str) -> list[str]:
    """All recipients, with this domain of ours as L."""
    letters = {"D": D, "H": H, "I": I, "L": local}
    return [_spell(form, letters) for forms in FAMILIES.values() for form in forms]


def _spell(form: str, letters: dict[str, str]) -> str:
    """The capitals D, H, I and L that stand alone, replaced."""
    out = []
    for at, letter in enumerate(form):
        before, after = form[at - 1 : at], form[at + 1 : at + 2]
        is_alone = not _is_word(before) and not _is_word(after)
        out.append(letters[letter] if letter in letters and is_alone else letter)
    return "".join(out)


def _is_word(letter: str) -> bool:
    """Part of a word in capitals, such as ORCPT."""
    return letter.isascii() and letter.isupper()
