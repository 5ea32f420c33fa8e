from __future__ import annotations

import socket

import pytest

from daemon.hub.ring import Frame
from daemon.transports.sockets import listening_socket
from daemon.transports.sse import frame_chunks, frame_events
from daemon.transports.websocket import frame_texts, plain_texts

NUMBERED = Frame(7, "new_message", "a", None, b'{"id":"e1-7","x":1}')
OWN = Frame(0, "ping", None, None, b'{"id":null}')


def test_sse_has_an_id_line_only_where_there_is_a_number() -> None:
    """All frames in one piece."""
    expected = (
        b'id: e1-7\nevent: new_message\ndata: {"id":"e1-7","x":1}\n\n'
        b'event: ping\ndata: {"id":null}\n\n'
    )
    assert frame_events([NUMBERED, OWN]) == expected
    assert frame_chunks([NUMBERED, OWN]) == b"%x\r\n%b\r\n" % (len(expected), expected)


def test_websocket_frames_are_whole_and_unmasked() -> None:
    """FIN and TEXT, the length, the envelope."""
    assert frame_texts([OWN, OWN]) == (b"\x81\x0b" + OWN.json) * 2
    assert plain_texts([OWN]) == ['{"id":null}']


def test_the_listening_socket_has_its_send_buffer() -> None:
    """The kernel doubles what is asked for; connections inherit it."""
    with listening_socket("127.0.0.1", 0, 32 << 10) as listener:
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * (32 << 10)
        taken = listener.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            listening_socket("127.0.0.1", taken)
