"""How the control socket is bound and found."""

from __future__ import annotations

import os
import stat

import pytest

from asyncmta.admin import control_socket


def test_only_its_owner_can_open_it_whatever_the_umask(tmp_path):
    path = str(tmp_path / "control.sock")
    before = os.umask(0)
    try:
        with control_socket.bind(path):
            mode = stat.S_IMODE(os.stat(path).st_mode)
    finally:
        os.umask(before)
    assert mode == 0o600


def test_a_path_longer_than_a_unix_address_works(tmp_path):
    directory = tmp_path / ("d" * 120)
    directory.mkdir()
    path = str(directory / "control.sock")
    with control_socket.bind(path) as server, control_socket.connect(path, timeout=5):
        server.setblocking(True)
        peer, _ = server.accept()
        peer.close()
    assert stat.S_ISSOCK(os.stat(path).st_mode)


def test_the_leftover_of_an_ended_process_is_replaced(tmp_path):
    path = str(tmp_path / "control.sock")
    control_socket.bind(path).close()
    with control_socket.bind(path), control_socket.connect(path, timeout=5) as client:
        assert client.getpeername() == path


def test_a_live_socket_is_left_alone(tmp_path):
    path = str(tmp_path / "control.sock")
    with control_socket.bind(path):
        with pytest.raises(control_socket.SocketTaken):
            control_socket.bind(path)
        control_socket.connect(path, timeout=5).close()


def test_a_file_in_its_place_is_left_alone(tmp_path):
    path = tmp_path / "control.sock"
    path.write_text("precious")
    with pytest.raises(control_socket.SocketTaken):
        control_socket.bind(str(path))
    assert path.read_text() == "precious"


def test_nobody_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        control_socket.connect(str(tmp_path / "none"), timeout=1)


def test_a_missing_directory_is_an_error_and_leaks_nothing(tmp_path):
    with pytest.raises(FileNotFoundError):
        control_socket.bind(str(tmp_path / "none" / "control.sock"))
