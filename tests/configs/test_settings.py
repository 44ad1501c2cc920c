"""Settings: which layer wins, and that no mistyped word passes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mmbench.configs.errors import UsageError
from mmbench.configs.settings import KEYS, Settings, default_cache, load_settings, unknown_variables, user_file


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "home").mkdir()
    return {"HOME": str(tmp_path / "home")}


def write_user(environ: dict[str, str], text: str) -> Path:
    path = user_file(environ)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_defaults_know_that_they_are(home: dict[str, str], tmp_path: Path) -> None:
    found = load_settings(environ=home, folder=tmp_path)
    assert found.results == Path("mmbench-results")
    assert found.cache == tmp_path / "home" / ".cache" / "mmbench"
    assert found.time_budget_s is None
    assert dict(found.origins) == dict.fromkeys(KEYS, "default")


def test_each_layer_wins_over_those_below(home: dict[str, str], tmp_path: Path) -> None:
    """Take the layers away from the top, one by one; the next one shows."""
    user = write_user(home, 'effort = "quick"\n')
    project = tmp_path / "mmbench.toml"
    project.write_text('effort = "deep"\n')
    preset = ("ci", {"effort": "quick", "seed": 3})
    environ = {**home, "MMBENCH_EFFORT": "default"}

    def both(flags: dict[str, str], environ: dict[str, str]) -> tuple[str, str]:
        found = load_settings(flags=flags, environ=environ, folder=tmp_path, preset=preset)
        assert (found.seed, found.origins["seed"]) == (3, "preset ci")
        return found.effort, found.origins["effort"]

    assert both({"effort": "deep"}, environ) == ("deep", "--effort")
    assert both({}, environ) == ("default", "$MMBENCH_EFFORT")
    assert both({}, home) == ("deep", str(project))
    project.unlink()
    assert both({}, home) == ("quick", str(user))
    user.unlink()
    assert both({}, home) == ("quick", "preset ci")
    assert load_settings(environ=home, folder=tmp_path).effort == "default"


def test_xdg_folders_are_used_when_absolute(home: dict[str, str], tmp_path: Path) -> None:
    elsewhere = {**home, "XDG_CONFIG_HOME": str(tmp_path / "c"), "XDG_CACHE_HOME": str(tmp_path / "k")}
    assert user_file(elsewhere) == tmp_path / "c" / "mmbench" / "config.toml"
    assert default_cache(elsewhere) == tmp_path / "k" / "mmbench"
    relative = {**home, "XDG_CONFIG_HOME": "c", "XDG_CACHE_HOME": "k"}
    assert user_file(relative) == tmp_path / "home" / ".config" / "mmbench" / "config.toml"
    assert default_cache(relative) == tmp_path / "home" / ".cache" / "mmbench"
    assert default_cache({**elsewhere, "MMBENCH_CACHE": "/x"}) == Path("/x")


def test_every_key_is_read_from_a_file_and_from_the_environment(home: dict[str, str], tmp_path: Path) -> None:
    lines = ["results = 'r'", "cache = '~/k'", "effort = 'deep'", "time_budget = '2m'", "seed = 11", "color = 'never'", "ascii = true"]
    assert {line.split(" =")[0] for line in lines} == set(KEYS)
    (tmp_path / "mmbench.toml").write_text("\n".join(lines))
    in_file = load_settings(environ=home, folder=tmp_path)
    variables = {f"MMBENCH_{line.split(' =')[0].upper()}": line.split("= ")[1].strip("'") for line in lines}
    in_environment = load_settings(environ={**home, **variables}, folder=tmp_path / "home")
    assert in_file.plain() == in_environment.plain()
    assert in_file.time_budget_s == 120.0
    assert in_file.seed == 11
    assert in_file.ascii is True
    assert in_file.cache == Path("~/k").expanduser()
    assert set(in_environment.origins.values()) == {f"${name}" for name in variables}


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('efort = "quick"', "there is no setting 'efort'", "'effort'"),
        ("[plots]\nn = 3", "there is no setting 'plots'", "settings: "),
        ('effort = "fast"', "effort: 'fast' is not one of quick, default, deep", ""),
        ("effort = 3", "effort: 3 is not one of", ""),
        ("seed = 1.5", "seed: 1.5 is not a whole number", ""),
        ("seed = -1", "seed: -1 is out of range", ""),
        ("seed = true", "seed: True is not a whole number", ""),
        ('time_budget = "soon"', "time_budget: 'soon' is not a duration", "above zero"),
        ("time_budget = 0", "time_budget: '0' is not a duration", ""),
        ("time_budget = true", "time_budget: True is not a duration", ""),
        ('ascii = "maybe"', "ascii: 'maybe' is neither true nor false", ""),
        ('results = ""', "results: '' is not a folder", ""),
        ("results = 3", "results: 3 is not a folder", ""),
        ("results = [1]", r"results: [1] is not a folder", ""),
        ('color = "red"', "color: 'red' is not one of auto, always, never", ""),
        ("seed = 1\neffort =\n", "line 2, column", "toml.io"),
    ],
)
def test_a_bad_line_names_the_file_the_key_and_what_was_meant(
    home: dict[str, str], tmp_path: Path, text: str, message: str, hint: str
) -> None:
    path = tmp_path / "mmbench.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as raised:
        load_settings(environ=home, folder=tmp_path)
    assert raised.value.message.startswith(str(path))
    assert message in raised.value.message
    assert hint in raised.value.hint


def test_files_that_cannot_be_read_are_named(home: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "mmbench.toml"
    path.write_bytes(b"effort = '\xff'")
    with pytest.raises(UsageError, match="not UTF-8"):
        load_settings(environ=home, folder=tmp_path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UsageError, match="cannot be read: it is a pipe"):
        load_settings(environ=home, folder=tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(UsageError, match="cannot be read: it is a folder"):
        load_settings(environ=home, folder=tmp_path)


def test_a_bad_variable_or_flag_is_named(home: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^\$MMBENCH_SEED: 'x' is not a whole number"):
        load_settings(environ={**home, "MMBENCH_SEED": "x"}, folder=tmp_path)
    with pytest.raises(UsageError, match=r"^--results: '' is not a folder") as raised:
        load_settings(flags={"results": ""}, environ=home, folder=tmp_path)
    assert "name a folder" in raised.value.hint
    with pytest.raises(UsageError, match=r"^--time-budget: '1 week' is not a duration"):
        load_settings(flags={"time_budget": "1 week"}, environ=home, folder=tmp_path)


def test_variables_that_set_nothing_are_told_not_fatal(home: dict[str, str], tmp_path: Path) -> None:
    environ = {**home, "MMBENCH_RESULT": "x", "MMBENCH_ZZZ": "y", "MMBENCH_RESULTS": ""}
    assert load_settings(environ=environ, folder=tmp_path).origins["results"] == "default"
    assert unknown_variables(environ) == {"MMBENCH_RESULT": "MMBENCH_RESULTS", "MMBENCH_ZZZ": ""}


def test_a_run_gets_plain_values() -> None:
    plain = Settings(results=Path("r"), origins={"results": "--results"}).plain()
    assert plain["results"] == "r"
    assert "origins" not in plain
    assert "time_budget_s" not in plain
    assert all(isinstance(value, (str, int, float, bool)) for value in plain.values())
