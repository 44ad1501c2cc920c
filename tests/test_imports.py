"""Words on the screen come at once: what only talks to a person imports no numerical library."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"numpy", "scipy", "pandas", "matplotlib", "numba", "llvmlite", "cpuinfo", "archspec", "rich", "psutil", "ml_dtypes"}


def imported_by(words: list[str], folder: Path) -> tuple[str, dict[str, float]]:
    """stdout of `mmbench WORDS`, and the milliseconds that each module took to import, by name."""
    command = [sys.executable, "-X", "importtime", "-m", "mmbench", *words]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    rows = re.findall(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)$", run.stderr, re.MULTILINE)
    return run.stdout, {name: int(own_us) / 1000 for own_us, name in rows}


@pytest.mark.parametrize("words", [["--help"], ["--version"], []], ids=["help", "version", "bare"])
def test_no_heavy_module_is_imported(tmp_path: Path, words: list[str]) -> None:
    said, modules = imported_by(words, tmp_path)
    assert "mmbench" in said
    assert "mmbench.cli.main" in modules  # the list can be read at all
    assert sorted(name for name in modules if name.split(".")[0] in HEAVY) == []


def test_help_imports_no_subcommand_and_no_layer_but_configs(tmp_path: Path) -> None:
    _, modules = imported_by(["--help"], tmp_path)
    ours = {name for name in modules if name.startswith("mmbench.")}
    assert sorted(name for name in ours if name.split(".")[1] not in ("cli", "configs", "__main__")) == []
    assert not ours & {"mmbench.cli.probe", "mmbench.cli.doctor", "mmbench.cli.show", "mmbench.cli.emit"}
