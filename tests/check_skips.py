"""Fail a build in which a test was skipped that this machine could have run.

Reads pytest's JUnit report and `allowed-skips.toml`. An entry there allows the skips whose reason it matches only on a machine
that really lacks the named property: a processor flag, an architecture, a number of CPUs, a tool. Ends with the line
`N passed, N failed, N skipped`. Exits 0, or 1 where a skip is not allowed, a test failed, or none ran.

    python tests/check_skips.py .cache/junit.xml
"""

from __future__ import annotations

import functools
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ALLOWED = Path(__file__).with_name("allowed-skips.toml")


@dataclass(frozen=True, slots=True)
class Allowance:
    """One entry of the list: skips whose reason matches `reason` are right where the machine lacks `lacks`."""

    reason: str
    lacks: str
    runs_on: str
    in_ci: bool = True  # False: CI installs what is needed (tests/setup-debian), so nothing excuses a skip there

    def excuses(self, reason: str, ci: bool) -> bool:
        """Whether a skip for this reason is right here."""
        return bool(re.search(self.reason, reason)) and (self.in_ci or not ci) and not has(self.lacks)


@functools.cache
def has(what: str) -> bool:
    """Whether this machine has a property such as `flag avx512f`, `arch aarch64`, `cpus 2`, `tool gcc`. ValueError for another word."""
    kind, _, name = what.partition(" ")
    if kind == "flag":
        return name in _flags()
    if kind == "arch":
        return platform.machine().lower() == name
    if kind == "system":
        return platform.system().lower() == name
    if kind == "cpus":
        return (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1) >= int(name)
    if kind == "tool":
        return shutil.which(name) is not None
    if kind == "file":
        return os.access(name, os.R_OK)
    if kind == "user":
        return (os.geteuid() == 0) == (name == "root") if hasattr(os, "geteuid") else name != "root"
    if kind == "cell":  # a bad condition that the system lets be made: the cell itself tries
        cell = Path(__file__).parent / "hostile" / "cell.py"
        return (
            subprocess.run([sys.executable, cell, name, "--", sys.executable, "-c", ""], capture_output=True, check=False).returncode == 0
        )
    raise ValueError(f"allowed-skips.toml: no such kind of property: '{what}'")


def _flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    return {word for line in re.findall(r"^(?:flags|Features|isa)\s*:(.*)$", text, re.MULTILINE) for word in line.split()}


def allowances(path: Path = ALLOWED) -> list[Allowance]:
    """The entries of the list."""
    return [Allowance(**entry) for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("skip", [])]


def outcomes(report: Path) -> Iterator[tuple[str, str, str]]:
    """(test, "passed" | "failed" | "skipped", reason) for every test of a JUnit report."""
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            yield name, "failed", ""
        elif skipped is not None:
            yield name, "skipped", skipped.get("message", "")
        else:
            yield name, "passed", ""


def main(arguments: list[str]) -> int:
    """Read the report named first, print what is wrong with it and the closing line."""
    listed = allowances()
    ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    seen = list(outcomes(Path(arguments[0])))
    wrong = [(name, why) for name, outcome, why in seen if outcome == "skipped" and not any(a.excuses(why, ci) for a in listed)]
    for name, why in wrong:
        print(f"skipped although this machine should run it: {name}: {why or 'no reason given'}")
    if wrong:
        print(f"mend the test or the machine, or add what the machine lacks to {ALLOWED.name}")
    count = {word: sum(outcome == word for _, outcome, _ in seen) for word in ("passed", "failed", "skipped")}
    print(", ".join(f"{number} {word}" for word, number in count.items()))
    return 1 if wrong or count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
