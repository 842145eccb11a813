"""Two SFTP exchanges that paramiko does otherwise: folder names as bytes, and reading ahead without a thread.

paramiko's listing fails as a whole on one name that is not UTF-8, and its prefetch runs in a thread
that outlives a broken line.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Iterator
from typing import Any, cast

import paramiko
from paramiko.message import Message
from paramiko.sftp import CMD_CLOSE, CMD_DATA, CMD_OPENDIR, CMD_READ, CMD_READDIR, SFTP_EOF, int64

_PIECE = 32_768  # what every server has to be able to send in one answer (draft-ietf-secsh-filexfer-02, section 3)
_AHEAD = 64


def read_folder(client: Any, folder: bytes) -> Iterator[tuple[bytes, paramiko.SFTPAttributes]]:
    """Each name of a folder with its attributes. Raises OSError with errno ENOENT or EACCES."""
    _, answer = client._request(CMD_OPENDIR, folder)
    handle = answer.get_string()
    try:
        while True:
            _, answer = client._request(CMD_READDIR, handle)
            for _ in range(answer.get_int()):
                name, _long = answer.get_string(), answer.get_string()
                yield name, _attributes(answer)
    except EOFError:
        client._request(CMD_CLOSE, handle)


def _attributes(answer: Any) -> paramiko.SFTPAttributes:
    read: Any = paramiko.SFTPAttributes
    return cast("paramiko.SFTPAttributes", read._from_msg(answer))


def read_file(client: Any, handle: bytes) -> Iterator[bytes]:
    """The bytes of an open file in order, in pieces of at most 32 kB, with 64 requests under way. Raises OSError."""
    asked: deque[tuple[int, int, int]] = deque()  # number, offset, length
    came: dict[int, tuple[int, Message]] = {}
    offset, at_end = 0, False
    while True:
        while not at_end and len(asked) < _AHEAD:
            asked.append((_ask(client, handle, offset, _PIECE), offset, _PIECE))
            offset += _PIECE
        if not asked:
            return
        number, start, length = asked.popleft()
        piece = _data(*_answer(client, number, came))
        if piece is None:
            at_end = True
            continue
        yield piece
        if len(piece) < length and not at_end:
            # a short answer before the end: the rest is asked for again, before what comes after it
            rest = start + len(piece)
            asked.appendleft((_ask(client, handle, rest, length - len(piece)), rest, length - len(piece)))


def _ask(client: Any, handle: bytes, offset: int, length: int) -> int:
    return int(client._async_request(type(None), CMD_READ, handle, int64(offset), length))


def _answer(client: Any, number: int, came: dict[int, tuple[int, Message]]) -> tuple[int, Message]:
    """The answer to one request; answers to others that come first are kept."""
    while number not in came:
        kind, content = client._read_packet()
        answer = Message(content)
        other = answer.get_int()
        client._expecting.pop(other, None)
        came[other] = kind, answer
    return came.pop(number)


def _data(kind: int, answer: Message) -> bytes | None:
    """The bytes of an answer; None at the end of the file."""
    if kind == CMD_DATA:
        return answer.get_string()
    status = answer.get_int()
    if status == SFTP_EOF:
        return None
    raise OSError(errno.EIO, answer.get_text())
