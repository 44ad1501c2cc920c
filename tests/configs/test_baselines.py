"""Baselines: names for runs, which point and copy nothing, and lead out of no folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mmbench.configs.baselines import baselines_path, check_name, find_baseline, list_baselines, save_baseline
from mmbench.configs.errors import Exit, NotPossibleError, SchemaError, StoreError, UsageError
from synthetic_history import MACHINE, course, write_day


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_day(tmp_path, 0, course())


def test_a_name_means_a_run_until_it_means_another(tmp_path: Path, run: Path) -> None:
    save_baseline(tmp_path, MACHINE, "main", run)
    assert find_baseline(tmp_path, MACHINE, "main") == run
    other = write_day(tmp_path, 1, course())
    save_baseline(tmp_path, MACHINE, "main", other)
    save_baseline(tmp_path, MACHINE, "v1.2", run)
    assert find_baseline(tmp_path, MACHINE, "main") == other
    assert list_baselines(tmp_path, MACHINE) == ["main", "v1.2"]
    assert list_baselines(tmp_path, "nobody") == []


def test_it_holds_no_path_and_so_moves_with_its_folder(tmp_path: Path, run: Path) -> None:
    path = save_baseline(tmp_path, MACHINE, "main", run)
    assert str(tmp_path) not in path.read_text(encoding="utf-8")
    (tmp_path / MACHINE).rename(tmp_path / "moved")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "moved").rename(tmp_path / "elsewhere" / MACHINE)
    assert find_baseline(tmp_path / "elsewhere", MACHINE, "main").is_file()


def test_an_unknown_name_says_which_there_are(tmp_path: Path, run: Path) -> None:
    with pytest.raises(NotPossibleError, match="no baseline 'main'") as none:
        find_baseline(tmp_path, MACHINE, "main")
    assert "--save-baseline main" in none.value.hint
    save_baseline(tmp_path, MACHINE, "v1", run)
    with pytest.raises(NotPossibleError) as some:
        find_baseline(tmp_path, MACHINE, "main")
    assert (some.value.hint, some.value.exit_code) == ("known: v1", Exit.NOT_POSSIBLE)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "-x", "a..b", "x" * 200, "a\0b", "a b"])
def test_a_name_is_never_a_path(tmp_path: Path, run: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        check_name(name)
    with pytest.raises(UsageError):
        save_baseline(tmp_path, MACHINE, name, run)
    with pytest.raises(UsageError):
        find_baseline(tmp_path, MACHINE, name)


def test_only_runs_of_the_machine_are_kept(tmp_path: Path, run: Path) -> None:
    outside = tmp_path / "copy.jsonl"
    outside.write_bytes(run.read_bytes())
    with pytest.raises(StoreError, match="not among the runs"):
        save_baseline(tmp_path, MACHINE, "main", outside)
    with pytest.raises(StoreError, match="not among the runs"):
        save_baseline(tmp_path, "other-1", "main", run)


def test_a_run_that_is_gone_or_another_is_no_baseline(tmp_path: Path, run: Path) -> None:
    save_baseline(tmp_path, MACHINE, "main", run)
    other = write_day(tmp_path, 1, course())
    run.write_bytes(other.read_bytes())
    with pytest.raises(NotPossibleError, match="holds another"):
        find_baseline(tmp_path, MACHINE, "main")
    run.unlink()
    with pytest.raises(NotPossibleError, match="is gone"):
        find_baseline(tmp_path, MACHINE, "main")


@pytest.mark.parametrize("file", ["../../../etc/passwd", "/etc/passwd", "..", ""])
def test_an_edited_baseline_leads_nowhere_else(tmp_path: Path, run: Path, file: str) -> None:
    path = save_baseline(tmp_path, MACHINE, "main", run)
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "file": file}), encoding="utf-8")
    with pytest.raises(NotPossibleError, match="is gone"):
        find_baseline(tmp_path, MACHINE, "main")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}', '{"schema": 99}'])
def test_a_damaged_baseline_is_said(tmp_path: Path, text: str) -> None:
    path = baselines_path(tmp_path, MACHINE) / "main.json"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SchemaError):
        find_baseline(tmp_path, MACHINE, "main")
