"""A skipped test fails the build, unless this machine really lacks what the test needs."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import check_skips
import pytest
from source_tree import ROOT


def report(folder: Path, *cases: str) -> Path:
    path = folder / "junit.xml"
    path.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>", encoding="utf-8")
    return path


def case(name: str, inside: str = "") -> str:
    return f'<testcase classname="tests.test_it" name="{name}">{inside}</testcase>'


def skip(reason: str) -> str:
    return f'<skipped type="pytest.skip" message="{reason}" />'


ELSEWHERE = "needs AArch64" if platform.machine() != "aarch64" else "needs x86-64"
HERE = "needs AArch64" if platform.machine() == "aarch64" else "needs x86-64"


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="needs x86-64")
@pytest.mark.parametrize(
    ("cases", "code", "line"),
    [
        ([case("a"), case("b")], 0, "2 passed, 0 failed, 0 skipped"),
        ([case("a"), case("b", "<failure />")], 1, "1 passed, 1 failed, 0 skipped"),
        ([case("a"), case("b", "<error />")], 1, "1 passed, 1 failed, 0 skipped"),
        ([case("a"), case("b", skip(ELSEWHERE))], 0, "1 passed, 0 failed, 1 skipped"),
        ([case("a"), case("b", skip(HERE))], 1, "1 passed, 0 failed, 1 skipped"),
        ([case("a"), case("b", skip("no time today"))], 1, "1 passed, 0 failed, 1 skipped"),
        ([case("a"), case("b", "<skipped />")], 1, "1 passed, 0 failed, 1 skipped"),
        ([case("b", skip(ELSEWHERE))], 1, "0 passed, 0 failed, 1 skipped"),
        ([], 1, "0 passed, 0 failed, 0 skipped"),
    ],
)
def test_exit_code_and_closing_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], cases: list[str], code: int, line: str) -> None:
    assert check_skips.main([str(report(tmp_path, *cases))]) == code
    assert capsys.readouterr().out.splitlines()[-1] == line


def test_what_ci_installs_excuses_no_skip_there() -> None:
    entry = check_skips.Allowance("needs an emulator", "tool no-such-tool-anywhere", "Debian", in_ci=False)
    assert entry.excuses("needs an emulator", ci=False)
    assert not entry.excuses("needs an emulator", ci=True)


def test_every_entry_of_the_list_can_be_asked_for() -> None:
    listed = check_skips.allowances()
    assert listed
    assert [a.runs_on for a in listed if not a.runs_on or check_skips.has(a.lacks) not in (True, False)] == []
    with pytest.raises(ValueError, match="no such kind"):
        check_skips.has("mood good")


def test_it_reads_what_pytest_writes(tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(
        "import pytest\ndef test_a(): pass\n@pytest.mark.skip(reason='no time today')\ndef test_b(): pass\n", encoding="utf-8"
    )
    junit = tmp_path / "junit.xml"
    quiet = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-q", "--rootdir", str(tmp_path), f"--junitxml={junit}"]
    subprocess.run([sys.executable, "-m", "pytest", *quiet, str(tmp_path)], cwd=tmp_path, check=True, capture_output=True)
    run = subprocess.run([sys.executable, str(ROOT / "tests" / "check_skips.py"), str(junit)], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "test_b: no time today" in run.stdout
    assert run.stdout.splitlines()[-1] == "1 passed, 0 failed, 1 skipped"
