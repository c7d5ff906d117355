from __future__ import annotations

import errno

import pytest

from asyncmta.system.addresses import AddressUnavailable, binding


def test_an_error_within_is_about_the_address_and_says_the_same():
    with pytest.raises(AddressUnavailable) as raised, binding():
        raise OSError(errno.EADDRINUSE, "Address already in use")
    assert (raised.value.errno, str(raised.value)) == (errno.EADDRINUSE, "[Errno 98] Address already in use")


def test_one_without_a_number_keeps_its_text():
    with pytest.raises(AddressUnavailable, match="no such thing"), binding():
        raise OSError("no such thing")


def test_what_is_no_error_of_the_system_passes():
    with pytest.raises(ValueError, match="a bug"), binding():
        raise ValueError("a bug")
    with binding():
        bound = True
    assert bound


def test_a_port_that_is_not_allowed_says_what_would_help():
    with pytest.raises(AddressUnavailable, match="permission denied; ports below 1024") as caught, binding():
        raise PermissionError(errno.EACCES, "permission denied")
    assert caught.value.errno == errno.EACCES
    assert "net.ipv4.ip_unprivileged_port_start" in str(caught.value)
