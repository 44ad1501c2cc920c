"""What all tests share: the golden files, and the folder of builders on the import path."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # builders such as synthetic_machine.py are imported by their plain name
# A found counterexample belongs into a test by hand; no folder of them beside the sources.
hypothesis.settings.register_profile("mmbench", database=None, deadline=None)
hypothesis.settings.load_profile("mmbench")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --update-golden."""
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden with what the code says now")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`golden(name, text)` holds text against tests/golden/<name>, or rewrites that file under --update-golden."""

    def check(name: str, text: str) -> None:
        path = HERE / "golden" / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            return
        if not path.exists():
            pytest.fail(f"{path.name} does not exist yet: run pytest --update-golden and read what it wrote")
        expected = path.read_text(encoding="utf-8")
        if text != expected:
            difference = difflib.unified_diff(expected.splitlines(), text.splitlines(), f"golden/{name}", "now", lineterm="")
            pytest.fail("\n".join(difference), pytrace=False)

    return check
