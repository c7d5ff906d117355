"""A batch as a signed request."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest

from asyncmta.webhooks.signing import InvalidSecret, body_of, headers, id_of, key_of, wait_after

# The example of the specification of Standard Webhooks (standardwebhooks/standard-webhooks, spec).
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_secrets() -> None:
    assert key_of(SECRET) == base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert key_of("whispered by nobody") == b"whispered by nobody"


@pytest.mark.parametrize("secret", ["short", "whsec_", "whsec_!!!!", "whsec_c2hvcnQ=", ""])
def test_secrets_that_are_none(secret: str) -> None:
    with pytest.raises(InvalidSecret):
        key_of(secret)


def test_a_body_is_an_array() -> None:
    assert json.loads(body_of([b'{"id":"1"}', b'{"id":"2"}'])) == [{"id": "1"}, {"id": "2"}]


def test_the_signature_covers_id_time_and_body() -> None:
    body, key = b'[{"id":"1"}]', key_of(SECRET)
    found = headers(body, key, 1614265330.9)
    assert found["webhook-id"] == id_of(body) == headers(body, key, 0.0)["webhook-id"]
    assert found["webhook-timestamp"] == "1614265330"
    signed = f"{found['webhook-id']}.1614265330.".encode() + body
    assert (
        found["webhook-signature"] == "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    )
    assert headers(body, key, 1.0)["webhook-signature"] != found["webhook-signature"]
    assert id_of(b"[]") != id_of(body)


def test_waits_grow_to_five_minutes() -> None:
    assert [wait_after(failures) for failures in (1, 2, 3, 9, 10, 10_000)] == [1.0, 2.0, 4.0, 256.0, 300.0, 300.0]
