"""Folders that appear whole or not at all, whenever the process that writes them is killed."""

import os
import shutil
from pathlib import Path

import pytest

from reactvec.algorithms.whole_folder import recover, remove_folder, write_folder

FILES = ("a", "b")


class Killed(BaseException):
    """What a process that is killed would not even see."""


def is_whole(folder):
    contents = {(folder / name).read_bytes() if (folder / name).is_file() else None for name in FILES}
    return len(contents) == 1 and None not in contents


def write(target, content):
    def fill(folder):
        for name in FILES:
            (folder / name).touch()
            (folder / name).write_bytes(content)

    write_folder(target, fill)


def killed_at(monkeypatch, operation, work):
    """Do some work, but nothing after so many operations on the disk; whether it was done before."""
    count = 0

    def mortal(function):
        def call(*arguments, **options):
            nonlocal count
            if count == operation:
                raise Killed
            count += 1
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for owner, name in ((os, "replace"), (os, "fsync"), (shutil, "rmtree"), (Path, "mkdir"), (Path, "write_bytes")):
            patch.setattr(owner, name, mortal(getattr(owner, name)))
        try:
            work()
        except Killed:
            return False
    return True


def outcomes(monkeypatch, folder, work):
    """What is in `folder` after each place where the work could be killed, and recovering."""
    found, done, operation = [], False, 0
    while not done:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        write(folder / "one", b"old")
        done = killed_at(monkeypatch, operation, work)
        recover(folder, lambda name: name == "one", is_whole)
        assert all(is_whole(path) for path in folder.iterdir())
        found.append({path.name: (path / "a").read_bytes() for path in folder.iterdir()})
        operation += 1
    return found


def test_a_replacement_is_there_or_not(monkeypatch, tmp_path):
    old, new = {"one": b"old"}, {"one": b"new"}
    found = outcomes(monkeypatch, tmp_path / "f", lambda: write(tmp_path / "f" / "one", b"new"))
    written = found.index(new)
    assert written == 3  # operations: the folder was made, and both files
    assert found == [old] * written + [new] * (len(found) - written)
    assert len(found) >= 8


def test_a_removal_is_complete_or_has_not_begun(monkeypatch, tmp_path):
    found = outcomes(monkeypatch, tmp_path / "f", lambda: remove_folder(tmp_path / "f" / "one"))
    assert found == [{"one": b"old"}, {}, {}]


@pytest.mark.parametrize("name", [".two.0123abcd", ".one.0123abc", ".one.0123abcd.new", ".one", "one.0123abcd"])
def test_what_is_not_ours_stays(name, tmp_path):
    (tmp_path / name).mkdir()
    recover(tmp_path, lambda name: name == "one", is_whole)
    assert [path.name for path in tmp_path.iterdir()] == [name]
