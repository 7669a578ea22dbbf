"""Mail: boxes that grow, beside each other in one file."""

from __future__ import annotations

import os
from typing import Any

import pytest

from reactvec.mail import CHUNK, Mail


@pytest.fixture
def mail() -> Any:
    mail = Mail(3)
    yield mail
    mail.close()


@pytest.mark.parametrize("sizes", [(7 * CHUNK, 5, 9 * CHUNK + 1), (1, CHUNK - 1, CHUNK, CHUNK + 1, 2)], ids=str)
def test_each_box_holds_what_was_put_into_it_last(mail: Mail, sizes: tuple[int, ...]) -> None:
    for round_, size in enumerate(sizes):
        contents = [bytes([round_, box]) * size for box in range(3)]
        lengths = [mail.put(box, content) for box, content in enumerate(contents)]
        assert [mail.take(box, length) for box, length in enumerate(lengths)] == contents
        assert mail.take(1, lengths[1]) == contents[1]


def test_writes_and_reads_may_be_short(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    write, read = os.pwrite, os.pread
    monkeypatch.setattr("os.pwrite", lambda fd, data, at: write(fd, data[:1000], at))
    monkeypatch.setattr("os.pread", lambda fd, size, at: read(fd, min(size, 700), at))
    content = os.urandom(2 * CHUNK)
    assert mail.take(2, mail.put(2, content)) == content


def test_one_box_takes_no_memory_for_the_others() -> None:
    mail = Mail(1000)
    mail.put(999, bytes(20 * CHUNK))
    assert os.fstat(mail._fd).st_blocks * 512 < 22 * CHUNK
    mail.close()


def test_what_is_not_there_is_not_waited_for(mail: Mail) -> None:
    with pytest.raises(EOFError, match="box 2 does not hold 10 bytes"):
        mail.take(2, 10)


def test_a_closed_one_touches_nothing(mail: Mail) -> None:
    closed = mail._fd
    mail.close()
    mail.close()
    assert os.memfd_create("another") == closed
    with pytest.raises(OSError, match="Bad file descriptor"):
        mail.put(0, "lost")
    assert os.fstat(closed).st_size == 0
    os.close(closed)
