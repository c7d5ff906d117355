"""A query: only what is allowed, each once, of its type."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from asyncmta.admin.http import ApiError, parameters
from asyncmta.admin.paths import PATHS

LIST = next(path for path in PATHS if path.operation == "queue")


def read(query, *allowed):
    return parameters(make_mocked_request("GET", f"/x?{query}"), *allowed)


def test_names_are_texts_and_a_declaration_has_types():
    assert read("a=1&b=", "a", "b") == {"a": "1", "b": ""}
    assert read("limit=5&domain=x", LIST) == {"limit": 5, "domain": "x"}
    assert read("limit=5&more=x", LIST, "more") == {"limit": 5, "more": "x"}


@pytest.mark.parametrize(("query", "allowed"), [("a=1", []), ("a=1&a=1", ["a"]), ("b=1", ["a"]), ("limit=x", [LIST])])
def test_all_else_is_refused(query, allowed):
    with pytest.raises(ApiError) as caught:
        read(query, *allowed)
    assert (caught.value.status, caught.value.code) == (400, "bad_parameter")
