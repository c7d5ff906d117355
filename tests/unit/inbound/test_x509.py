"""inbound/x509: what a certificate says of itself."""

from __future__ import annotations

import datetime
import random
import ssl

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from asyncmta.inbound.x509 import CertificateFacts, NoCertificate, certificate_facts, matching

EXPIRES = datetime.datetime(2031, 5, 6, 7, 8, 9, tzinfo=datetime.UTC)


def made(
    attributes: list[x509.NameAttribute], names: list[x509.GeneralName], expires: datetime.datetime = EXPIRES
) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(attributes)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(1999, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(expires)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_subject_expiry_and_names() -> None:
    der = made(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Bücher AG"),
            x509.NameAttribute(NameOID.EMAIL_ADDRESS, "x@y.example"),
            x509.NameAttribute(NameOID.COMMON_NAME, "mx.example.org"),
        ],
        [x509.DNSName("MX.Example.org"), x509.RFC822Name("x@y.example"), x509.DNSName("*.example.net")],
    )
    assert certificate_facts(der) == CertificateFacts(
        "O=Bücher AG/CN=mx.example.org", "2031-05-06T07:08:09Z", ("mx.example.org", "*.example.net")
    )


def test_without_a_subject_the_first_name_stands_for_it() -> None:
    assert certificate_facts(made([], [x509.DNSName("a.example")])).subject == "a.example"
    assert certificate_facts(made([], [])).subject == ""


def test_a_long_subject_is_cut() -> None:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "x" * 60) for _ in range(9)]
    assert len(certificate_facts(made(attributes, [])).subject) == 200


@pytest.mark.parametrize(
    ("year", "text"), [(1999, "1999-"), (2049, "2049-"), (2050, "2050-"), (9999, "9999-12-01T02:03:04Z")]
)
def test_both_forms_of_a_time(year: int, text: str) -> None:
    expires = datetime.datetime(year, 12, 1, 2, 3, 4, tzinfo=datetime.UTC)
    assert certificate_facts(made([], [], expires)).expires.startswith(text)


def test_a_text_of_two_octets_a_letter() -> None:
    old = x509.NameAttribute(NameOID.COMMON_NAME, "mx", _type=x509.name._ASN1Type.BMPString)
    assert certificate_facts(made([old], [])).subject == "CN=mx"


def test_what_is_cut_off_or_damaged_is_no_certificate_or_another_and_nothing_else() -> None:
    der = ssl.PEM_cert_to_DER_cert(trustme.CA().issue_cert("a.example").cert_chain_pems[0].bytes().decode())
    assert certificate_facts(der).names == ("a.example",)
    for end in range(0, len(der) - 1, 3):
        with pytest.raises(NoCertificate):
            certificate_facts(der[:end])
    rng = random.Random(1)
    refused = 0
    for _ in range(3000):
        damaged = bytearray(der)
        damaged[rng.randrange(len(der))] = rng.randrange(256)
        try:
            certificate_facts(bytes(damaged))
        except NoCertificate:
            refused += 1
    assert 0 < refused < 3000


def test_a_time_that_is_none() -> None:
    der = made([], [])
    with pytest.raises(NoCertificate):
        certificate_facts(der.replace(b"\x17\x0d310506", b"\x16\x0d310506"))


def test_names() -> None:
    offered = {"example.org": 0, "*.example.org": 1}
    assert matching("Example.ORG.", offered) == 0
    assert matching("mx.example.org", offered) == 1
    assert matching("a.mx.example.org", offered) is None
    assert matching("", offered) is None
