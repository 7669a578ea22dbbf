"""Every Python snippet of the README and the docs runs, those of one page one after another, as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SNIPPET = re.compile(r"^```python\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL)
OUTPUT = re.compile(r"^```text\n(.*?)^```", re.MULTILINE | re.DOTALL)  # what snippets of the page print
LINK = re.compile(r"\]\((?!http|#)([^)#]+)")
# The page that needs a package with its own Gymnasium runs where that is installed: see `make test-integration`.
NEEDS = {"rllib.md": "ray"}
WITH_SNIPPETS = [
    page
    for page in PAGES
    if SNIPPET.search(page.read_text())
    and (page.name not in NEEDS or os.environ.get("REACTVEC_ALL_SCRIPTS") or find_spec(NEEDS[page.name]))
]


@pytest.mark.parametrize("page", WITH_SNIPPETS, ids=lambda page: page.name)
def test_snippets_run(page: Path, tmp_path: Path) -> None:
    snippets = [match["code"] for match in SNIPPET.finditer(page.read_text())]
    script = tmp_path / "snippets.py"
    script.write_text("\n\n".join(snippets))
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    for shown in OUTPUT.findall(page.read_text()):
        assert shown in done.stdout, f"{page.name} shows\n{shown}\nbut its snippets print\n{done.stdout}"


def test_every_python_block_is_a_snippet() -> None:
    for page in PAGES:
        text = page.read_text()
        assert text.count("```python") == len(SNIPPET.findall(text)), page


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in LINK.findall(page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
