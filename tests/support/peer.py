"""One end of a raw connection, for both the scripted server and the scripted client."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import sys

from tests.support import frames
from tests.support.frames import Frame, Opcode
from tests.support.waiting import DEADLINE, within


class Streams(asyncio.StreamReaderProtocol):
    """A protocol that makes and keeps its own reader."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader()
        super().__init__(self.reader)


class Peer:
    """One end of a connection, which sends valid and invalid bytes as told."""

    masks = False
    """Whether this end masks its frames, as a client must."""

    patience: float | None = DEADLINE
    """Seconds after which a read fails; None waits for ever."""

    def __init__(self, transport: asyncio.Transport, streams: Streams) -> None:
        loop = asyncio.get_running_loop()
        self.reader = streams.reader
        self._transport = transport
        self._writer = asyncio.StreamWriter(transport, streams, streams.reader, loop)

    async def send(self, *chunks: bytes) -> None:
        """Send bytes as they are."""
        for chunk in chunks:
            try:
                self._writer.write(chunk)
            except RuntimeError as error:
                # uvloop raises this if the connection is closed.
                raise ConnectionResetError(str(error)) from error
            await self._writer.drain()

    async def send_frame(self, *sent: Frame) -> None:
        """Send frames, masked as this end's role demands unless a frame says otherwise."""
        for frame in sent:
            masked = self.masks if frame.masked is None else frame.masked
            await self.send(frames.encode(frame, os.urandom(4) if masked else None))

    async def send_frame_header(self, opcode: int, length: int) -> None:
        """Send the header of a frame of that length, without the payload."""
        mask = os.urandom(4) if self.masks else None
        await self.send(frames.encode_header(Frame(opcode), length, mask))

    async def read_frame(self) -> Frame:
        """Read the next frame of any kind."""
        return await within(frames.read_frame(self.reader), self.patience)

    async def read_message(self) -> Frame:
        """Read the next text, binary or close frame, answering the pings before it."""
        while (frame := await self.read_frame()).opcode in (Opcode.PING, Opcode.PONG):
            if frame.opcode == Opcode.PING:
                await self.send_frame(frames.pong(frame.payload))
        return frame

    async def read_close(self) -> Frame:
        """Read up to the close frame, answer it and return it."""
        while (frame := await self.read_message()).opcode != Opcode.CLOSE:
            pass
        with contextlib.suppress(ConnectionError):
            await self.send_frame(Frame(Opcode.CLOSE, frame.payload[:2]))
        return frame

    async def read_to_end(self) -> bytes:
        """Return the bytes until the other end closes or resets the connection."""
        received = b""
        with contextlib.suppress(ConnectionError):
            while chunk := await within(self.reader.read(1 << 16), self.patience):
                received += chunk
        return received

    @property
    def is_closing(self) -> bool:
        """Whether the connection has ended, or is about to."""
        return self._transport.is_closing()

    def stop_reading(self) -> None:
        """Stop reading, with the connection still open."""
        self._transport.pause_reading()

    def read_again(self) -> None:
        """Go on reading."""
        self._transport.resume_reading()

    def end_writing(self) -> None:
        """Send FIN, and go on reading."""
        self._transport.write_eof()

    def reset(self) -> None:
        """End the connection with RST, without FIN; unsent bytes are lost."""
        linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        raw = self._transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.abort()

    def abort(self) -> None:
        """Close the socket at once, without a closing handshake of WebSocket or TLS."""
        # The other end may have closed it, and uvloop raises when a closed transport is used.
        with contextlib.suppress(RuntimeError):
            self._transport.abort()

    async def close(self) -> None:
        """Close the connection and wait until it is."""
        self._writer.close()
        # The other end may have reset the connection, which has ended either way.
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
