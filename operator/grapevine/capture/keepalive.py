"""Finding out that a peer that may be silent for hours is gone."""

import socket
import sys
from typing import Final

KEEPALIVE_S: Final = 30
"""Silence after which the kernel asks whether a TCP peer is still there; three asks 10 s apart, and it is gone."""


def keep_alive(connected: socket.socket) -> None:
    """Have the kernel end the connection where the peer does not answer any more."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_S)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
