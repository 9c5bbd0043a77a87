"""The four TCP ports of a stack, all on 127.0.0.1."""

from __future__ import annotations

import contextlib
import random
import socket
from dataclasses import dataclass
from typing import Self

from local_supabase.errors import SetupError

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the parts of a stack listen."""

    gateway: int
    postgres: int
    simulator: int
    postgrest: int

    @classmethod
    def starting_at(cls, first: int) -> Self:
        """Four ports in a row; the gateway has the first."""
        return cls(gateway=first, postgres=first + 1, simulator=first + 2, postgrest=first + 3)

    @classmethod
    def free(cls) -> Self:
        """Four free ports in a row, from where the system takes none for its own connections."""
        for first in random.SystemRandom().sample(range(20_000, 32_000, 4), 100):
            ports = cls.starting_at(first)
            with contextlib.suppress(SetupError):
                ports.check_free()
                return ports
        raise SetupError("No four free ports in a row were found.")

    def check_free(self) -> None:
        """Raise SetupError naming the first port that something else uses."""
        with contextlib.ExitStack() as stack:
            for name in self.__slots__:
                stack.enter_context(listen(getattr(self, name), name))


def listen(port: int, part: str) -> socket.socket:
    """A socket listening on a port; raises SetupError when the port is taken."""
    # Named as TCP, or asyncio leaves Nagle's algorithm on, and a small answer waits for 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(512)
    except (OSError, OverflowError) as error:
        listener.close()
        raise SetupError(
            f"Port {port} (for {part}) is taken or not allowed; "
            "choose another range of four with --port."
        ) from error
    return listener
