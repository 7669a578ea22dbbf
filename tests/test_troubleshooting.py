"""The headings of docs/troubleshooting.md are texts that the library raises."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEADINGS = re.findall(r"^## (.*)$", (ROOT / "docs" / "troubleshooting.md").read_text(), re.MULTILINE)


def texts() -> Iterator[str]:
    """Every string of the sources, f-strings in pieces."""
    for source in sorted((ROOT / "reactvec").glob("*.py")):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
    yield (ROOT / "reactvec" / "_sched.pyx").read_text()


TEXTS = list(texts())


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_heading_is_a_text_of_the_sources(heading: str) -> None:
    pieces = [piece.strip() for piece in heading.split("...")]
    assert any(pieces)
    for piece in pieces:
        assert any(piece in text for text in TEXTS), piece


def test_each_has_a_cause_and_a_remedy() -> None:
    for section in (ROOT / "docs" / "troubleshooting.md").read_text().split("\n## ")[1:]:
        assert section.count("**Cause.**") == section.count("**Remedy.**") == 1, section
