"""The rule of `mmbench explain exit-codes`: 2 for words that no machine could follow, 5 for what this one lacks."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from mmbench.cli import main
from mmbench.cli.exports import Exports
from mmbench.configs.errors import StoreError
from mmbench.configs.sweeplog import read_sweep
from mmbench.kernels.vendor.pytorch import LIBRARY as TORCH
from mmbench.reports.sweep_rows import sweep_document
from synthetic_sweep import write_sweep


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", "")
    for name in ("MMBENCH_RESULTS", "MMBENCH_TIME_BUDGET", "MMBENCH_SEED", "MMBENCH_COLOR", "MMBENCH_ASCII"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def sweep(*words: str) -> Result:
    return CliRunner().invoke(main.cli, ["--results", "results", "sweep", *words])


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["--kernels", "torch"], "no kernel takes part: PyTorch is not installed", "pip install torch"),
        (["--kernels", "openblas@nowhere"], "there is no 'openblas@nowhere' on this machine", "of openblas there are"),
        (["--shapes", "64", "--threads", "65000"], "f32 64x64x64 t65000 hot: more threads than the", "--threads"),
        (["--shapes", "99999999x99999999x4"], "more than there is", "choose a smaller shape"),
    ],
)
def test_what_this_machine_lacks_is_5(words: list[str], message: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(TORCH), "find", lambda _self: [])
    result = sweep(*words)
    assert result.exit_code == 5, result.output
    assert message in result.stderr
    assert hint in result.stderr.partition("hint: ")[2]


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["--kernels", "torhc"], "there is no kernel or library 'torhc'", "torch"),
        (["--library", "torch=/etc/hosts"], "PyTorch is imported by Python, not loaded from a file", "--kernels"),
        (["--threads", "1000000000000"], "1000000000000 threads: 65536 are the most", "all"),
        (["--shapes", "nosuch"], "there is no shape set 'nosuch'", "mmbench list shapes"),
        (["--seed", "1.5"], "'1.5' is not a whole number from 0 to 2147483647", "mmbench sweep --help"),
        (["--seed", "-1"], "'-1' is not a whole number", "mmbench sweep --help"),
        (["--results", "", "--shapes", "64"], "--results: '' is not a folder", "name a folder"),
        (["--export-junit", ""], "--export-junit: '' is not a file name", "name the file"),
        (["--export-json", "-"], "--export-json: - is no file name here", "--json"),
    ],
)
def test_words_that_nobody_could_follow_are_2(words: list[str], message: str, hint: str) -> None:
    result = sweep(*words)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert hint in result.stderr.partition("hint: ")[2]
    assert list(Path().iterdir()) == []  # nothing was begun


def test_a_folder_that_cannot_be_made_has_a_hint_of_its_own() -> None:
    result = sweep("--results", "/proc/x", "--shapes", "64", "--kernels", "naive")
    assert result.exit_code == 2
    assert "error: /proc/x cannot be written: No such file or directory" in result.stderr
    assert "no folder can be made there: choose another folder with --results" in result.stderr


def test_words_in_a_preset_are_checked_even_where_the_command_line_replaces_them() -> None:
    path = Path("mine.toml")
    path.write_text('schema = 1\nsummary = "x"\nkernels = ["zzz"]\n[[grid]]\nshapes = ["64"]\n')
    for more in ([], ["--kernels", "naive"]):
        result = sweep("--dry-run", "--preset", "./mine.toml", *more)
        assert result.exit_code == 2
        assert "error: mine.toml: kernels: there is no kernel or library 'zzz'" in result.stderr
    path.write_text(path.read_text().replace("zzz", "openblas@elsewhere"))  # it may be there on another machine
    assert sweep("--dry-run", "--preset", "./mine.toml", "--kernels", "naive").exit_code == 0
    assert sweep("--dry-run", "--preset", "./mine.toml").exit_code == 5


def test_threads_that_are_too_many_are_one_note_however_many_they_are() -> None:
    result = sweep("--dry-run", "--shapes", "64", "--kernels", "vectorized", "--threads", "1,60001-60009")
    assert result.exit_code == 0, result.output
    assert "9 cells left out: more threads than the" in " ".join(result.stdout.split())


@pytest.mark.parametrize("words", [["list", "--ascii"], ["sweep", "--dry-run", "--shapes", "64", "--kernels", "naive", "--ascii"]])
def test_ascii_may_stand_behind_the_command(words: list[str]) -> None:
    result = CliRunner().invoke(main.cli, words)
    assert result.exit_code == 0, result.output
    assert result.stdout.isascii()


def test_colour_may_stand_behind_the_command_and_the_later_word_wins() -> None:
    words = ["sweep", "--dry-run", "--shapes", "64", "--kernels", "naive"]

    def coloured(*given: str) -> bool:
        result = CliRunner().invoke(main.cli, list(given), color=True)
        assert result.exit_code == 0, result.output
        return "\x1b[" in result.stdout

    assert coloured(*words, "--color")
    assert coloured("--no-color", *words, "--color")
    assert not coloured("--color", *words, "--no-color")
    assert not coloured(*words)
    assert CliRunner().invoke(main.cli, ["config", "show", "--ascii"]).exit_code == 0  # below a group, too


def test_the_help_shows_a_number_for_the_seed() -> None:
    for command in ("sweep", "probe"):
        text = CliRunner().invoke(main.cli, [command, "--help"]).stdout
        assert "--seed NUMBER" in text
        assert "INTEGER" not in text


def test_an_export_that_fails_says_how_it_is_made_of_the_stored_sweep() -> None:
    found = read_sweep(write_sweep(Path("results")))
    with pytest.raises(StoreError, match="/dev/full cannot be written: No space left on device") as raised:
        Exports(None, None, "/dev/full").write(sweep_document(found, None), found)
    assert "mmbench export" in raised.value.hint
    assert "--results" not in raised.value.hint
