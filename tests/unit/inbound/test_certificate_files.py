"""inbound/certificate_files: what the listeners speak TLS with, and what is shown to whom."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from asyncmta.inbound.certificate_files import (
    Asks,
    CertificatesRefused,
    Loaded,
    Pair,
    TlsFiles,
    load,
    look,
    signature_of,
)

AUTHORITY = trustme.CA()


def pair_in(folder: Path, *names: str, stem: str = "") -> Pair:
    """One file with chain and key."""
    path = folder / f"{stem or names[0].replace('*', 'any')}.pem"
    AUTHORITY.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(str(path))
    return Pair(str(path))


def shown(loaded: Loaded, name: str | None, **options: Any) -> tuple[str, ...]:
    """The names of the certificate that a client sees who asks for this one."""
    return tuple(value for _, value in handshake(loaded, name, **options)[0].getpeercert()["subjectAltName"])


def handshake(
    loaded: Loaded,
    name: str | None,
    *,
    asks: Asks = "off",
    client: ssl.SSLContext | None = None,
    session: ssl.SSLSession | None = None,
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Both ends of a handshake in memory; raises what the server's end raises."""
    if client is None:
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname = False
        AUTHORITY.configure_trust(client)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(down, up, server_hostname=name, session=session),
        loaded.contexts[asks].wrap_bio(up, down, server_side=True),
    )
    ready = [False, False]
    while not all(ready):
        for at, end in enumerate(ends):
            if not ready[at]:
                try:
                    end.do_handshake()
                    ready[at] = True
                except ssl.SSLWantReadError:
                    pass
    return ends


def test_a_certificate_with_its_key_in_one_file_or_in_two(tmp_path: Path) -> None:
    issued = AUTHORITY.issue_cert("mx.example.org")
    both, certificate, key = tmp_path / "both.pem", tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(str(both))
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    issued.private_key_pem.write_to_path(str(key))
    for pair in (Pair(str(both)), Pair(str(certificate), str(key))):
        loaded = load(TlsFiles((pair,)))
        context = loaded.contexts["off"]
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.verify_mode == ssl.CERT_NONE
        assert context.options & ssl.OP_NO_RENEGOTIATION
        assert context.options & ssl.OP_NO_COMPRESSION
        assert loaded.facts[0].names == ("mx.example.org",)
        assert set(loaded.contexts) == {"off"}
        assert shown(loaded, None) == ("mx.example.org",)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_nothing_older_than_tls_1_2(tmp_path: Path, version: ssl.TLSVersion) -> None:
    loaded = load(TlsFiles((pair_in(tmp_path, "a.example"),)))
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.set_ciphers("ALL:@SECLEVEL=0")
    client.minimum_version = client.maximum_version = version
    with pytest.raises(ssl.SSLError):
        handshake(loaded, "a.example", client=client)


# -- SNI -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("b.example", "b.example"),
        ("B.Example", "b.example"),
        ("x.c.example", "*.c.example"),
        ("a.example", "a.example"),
        ("written.example", "d.example"),
        ("d.example", "a.example"),
        ("c.example", "a.example"),
        ("x.x.c.example", "a.example"),
        ("unknown.example", "a.example"),
        (None, "a.example"),
    ],
)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_sees_the_certificate_for_the_name_it_asks_for(
    tmp_path: Path, asked: str | None, answer: str, version: ssl.TLSVersion
) -> None:
    written = pair_in(tmp_path, "d.example")
    pairs = [pair_in(tmp_path, name) for name in ("a.example", "b.example", "*.c.example")]
    again = pair_in(tmp_path, "b.example", "e.example", stem="again")  # b.example is taken already
    loaded = load(TlsFiles((*pairs, again, Pair(written.certificate, names=("written.example",)))))
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.maximum_version = version
    AUTHORITY.configure_trust(client)
    assert shown(loaded, asked, client=client) == (answer,)


def test_a_session_may_be_resumed(tmp_path: Path) -> None:
    loaded = load(TlsFiles((pair_in(tmp_path, "a.example"), pair_in(tmp_path, "b.example"))))
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    AUTHORITY.configure_trust(client)
    first, _ = handshake(loaded, "b.example", client=client)
    again, _ = handshake(loaded, "b.example", client=client, session=first.session)
    assert again.session_reused


# -- certificates of clients -----------------------------------------------------------------------------------------


def client_with(authority: trustme.CA | None, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    AUTHORITY.configure_trust(context)
    context.check_hostname = False
    context.maximum_version = version
    if authority is not None:
        authority.issue_cert("client.example", common_name="client").configure_cert(context)
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", ["a.example", "b.example"])
def test_a_certificate_of_a_client_counts_where_it_is_asked_for(
    tmp_path: Path, name: str, version: ssl.TLSVersion
) -> None:
    trusted = trustme.CA()
    authorities = tmp_path / "clients.pem"
    trusted.cert_pem.write_to_path(str(authorities))
    pairs = (pair_in(tmp_path, "a.example"), pair_in(tmp_path, "b.example"))
    loaded = load(TlsFiles(pairs, str(authorities)))
    known, stranger, nobody = (client_with(authority, version) for authority in (trusted, trustme.CA(), None))
    for asks in ("request", "require"):
        assert handshake(loaded, name, asks=asks, client=known)[1].getpeercert(binary_form=True)
        with pytest.raises(ssl.SSLError):
            handshake(loaded, name, asks=asks, client=stranger)
    assert handshake(loaded, name, asks="off", client=known)[1].getpeercert(binary_form=True) is None
    assert handshake(loaded, name, asks="request", client=nobody)[1].getpeercert(binary_form=True) is None
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        handshake(loaded, name, asks="require", client=nobody)


# -- what cannot be used ---------------------------------------------------------------------------------------------


def refusal(*pairs: Pair, client_ca: str = "") -> tuple[str, int, str]:
    with pytest.raises(CertificatesRefused) as caught:
        load(TlsFiles(pairs, client_ca))
    return caught.value.key, caught.value.at, str(caught.value)


def test_what_cannot_be_used_says_where(tmp_path: Path) -> None:
    good, missing, junk = pair_in(tmp_path, "a.example"), str(tmp_path / "none.pem"), tmp_path / "junk.pem"
    junk.write_text(f"{ssl.PEM_HEADER}\nAAAA\n{ssl.PEM_FOOTER}\n")
    other = tmp_path / "other.pem"
    trustme.CA().issue_cert("x.example").private_key_pem.write_to_path(str(other))
    assert refusal(good, Pair(missing)) == ("certificate", 1, f"{missing}: cannot be read: No such file or directory")
    assert refusal(Pair(good.certificate, missing))[:2] == ("key", 0)
    assert "not a certificate chain" in refusal(Pair(str(junk)))[2]
    assert "not a certificate chain" in refusal(Pair("/dev/null"))[2]
    assert refusal(good, Pair(good.certificate, str(other)))[:2] == ("certificate", 1)
    assert refusal(good, client_ca=missing) == ("client_ca", 0, f"{missing}: cannot be read: No such file or directory")
    assert refusal(good, client_ca=str(other))[2] == f"{other}: no certificates in PEM"


def test_an_encrypted_key_asks_nobody(tmp_path: Path) -> None:
    issued = AUTHORITY.issue_cert("a.example")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    plain = load_pem_private_key(issued.private_key_pem.bytes(), None)
    key.write_bytes(plain.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    assert refusal(Pair(str(certificate), str(key)))[0] == "certificate"


# -- states of the files ---------------------------------------------------------------------------------------------


def test_a_link_that_leads_elsewhere_is_a_change(tmp_path: Path) -> None:
    """As Kubernetes mounts secrets: the files are links through `..data`, which alone is replaced."""
    for version, name in (("one", "a.example"), ("two", "b.example")):
        (tmp_path / version).mkdir()
        pair_in(tmp_path / version, name, stem="tls")
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "tls.pem").symlink_to("..data/tls.pem")
    files = TlsFiles((Pair(str(tmp_path / "tls.pem")),))
    before = signature_of(files)
    assert look(files, before) is None
    (tmp_path / "..new").symlink_to("two")
    (tmp_path / "..new").rename(tmp_path / "..data")
    found = look(files, before)
    assert found is not None
    after, loaded = found
    assert isinstance(loaded, Loaded)
    assert loaded.facts[0].names == ("b.example",)
    assert look(files, after) is None
    (tmp_path / "..data").unlink()
    found = look(files, after)
    assert found is not None
    gone, refused = found
    assert isinstance(refused, CertificatesRefused)
    assert look(files, gone) is None
