"""The words of a report in German: what `asyncmta dsn template --language de` prints.

Promises: it has every section that the English one has. Never: code.
"""

TEXT = """\
# Die Wörter der Berichte von asyncmta an Absender (DSNs). Wie eine solche Datei aussieht, was Platzhalter in {Klammern}
# sind und wie man eigene Wörter benutzt, steht in der englischen Fassung: asyncmta dsn template --language en

[language]
de

[from]
Mail Delivery System

[subject.failed]
Unzustellbare Nachricht zurück an den Absender

[subject.delayed]
Verzögerte Nachricht, weitere Versuche folgen

[subject.success]
Zustellbericht

[subject.double]
Ein Zustellbericht, der nicht zugestellt werden konnte

# {hostname} {postmaster}; darf leer sein.
[greeting]
Dies ist das Mailsystem auf {hostname}.

# Nur für den Postmaster, anstelle der Sätze darunter. {hostname} {postmaster}
[double]
Ein Bericht über unzustellbare Post konnte selbst den hier genannten Empfängern nicht zugestellt werden; diese Kopie ist
alles, was von ihm bleibt.
Meist war der Absender gefälscht, und es ist nichts zu tun.

# {hostname} {postmaster}
[failed]
Ihre Nachricht konnte den hier genannten Empfängern nicht zugestellt werden. Es wird nicht weiter versucht.

[delayed]
Ihre Nachricht konnte den hier genannten Empfängern noch nicht zugestellt werden. Es wird weiter versucht; Sie brauchen
sie nicht noch einmal zu senden.

[delivered]
Wie von Ihnen gewünscht, berichten wir: Ihre Nachricht wurde den hier genannten Empfängern zugestellt.

[relayed]
Wie von Ihnen gewünscht, berichten wir: Ihre Nachricht wurde für die hier genannten Empfänger dem nächsten Mailsystem
übergeben. Dieses berichtet nicht, was aus ihr wird; vielleicht hören Sie nichts mehr.

[expanded]
Wie von Ihnen gewünscht, berichten wir: Ihre Nachricht ging weiter an alle, die hinter den hier genannten Adressen
stehen. Was dort aus ihr wird, wird nicht berichtet.

# {original}
[sent_to]
(gesendet an <{original}>)

# {age} {attempts}
[expired]
Sie konnte innerhalb von {age} nicht zugestellt werden. Es wurde {attempts} versucht, zuletzt mit diesem Ergebnis:

[late]
Sie konnte innerhalb von {age} nicht zugestellt werden. Es wurde {attempts} versucht, zuletzt mit diesem Ergebnis:

# {until}; darf leer sein.
[until]
Es wird bis {until} versucht.

# {host}
[said]
{host} sagte:

[at]
Bei {host}:

# Was der Status in der Antwort bedeutet, in einfachen Worten; darf leer sein. 5.1.1, 5.1.3
[hint.address]
Diese Adresse gibt es anscheinend nicht. Prüfen Sie die Schreibweise, oder fragen Sie den Empfänger nach der richtigen.

# 5.1.2
[hint.domain]
Diese Domain gibt es anscheinend nicht. Prüfen Sie, was in der Adresse hinter dem @ steht.

# 5.1.6
[hint.moved]
Der Empfänger ist umgezogen; vielleicht steht in der Antwort, wohin.

# 5.1.10
[hint.no_mail]
Diese Domain nimmt überhaupt keine Post an.

# 4.2.2, 5.2.2
[hint.full]
Im Postfach ist kein Platz mehr. Vielleicht hilft es, in einigen Tagen noch einmal zu schreiben.

# 5.2.3, 5.3.4
[hint.size]
Die Nachricht ist der Gegenseite zu groß. Senden Sie weniger auf einmal, oder auf anderem Weg.

# 5.7.*
[hint.refused]
Die Gegenseite hat Regeln, denen diese Nachricht oder ihr Absender nicht genügt. Vielleicht nennt die Antwort sie.

# {count}
[once]
einmal

[times]
{count}-mal

[days]
{count} Tagen

[hours]
{count} Stunden

[minutes]
{count} Minuten

[seconds]
{count} Sekunden

# {hostname} {postmaster}; darf leer sein.
[help]
Wenn Sie Hilfe brauchen, senden Sie diesen Bericht an <{postmaster}>.

[label.id]
Kennung

[label.subject]
Betreff

[label.received]
Hier eingegangen

[label.recipients]
Empfänger, diesem Server übergeben

[label.delivered]
Zugestellt

[label.reported]
Früher berichtet

[label.failed]
Gescheitert, hier berichtet

[label.delayed]
Verspätet, hier berichtet

[label.success]
Angekommen, hier berichtet

[label.pending]
Noch in Arbeit

# {hostname} {postmaster}; darf leer sein.
[closing]

"""
