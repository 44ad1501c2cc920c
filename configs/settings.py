"""Gather the settings from every layer, and remember which layer each value came from.

A flag wins over a MMBENCH_* variable, that over ./mmbench.toml, that over ~/.config/mmbench/config.toml, that over a preset,
that over the defaults. Words that mean nothing are errors with their place, never ignored: a mistyped key in a settings file
would otherwise change what is measured without a trace.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from .errors import UsageError
from .facts import Scalar
from .files import not_regular
from .units import parse_duration

Given = str | int | float | bool
EFFORTS = ("quick", "default", "deep")
COLORS = ("auto", "always", "never")
PROJECT_FILE = "mmbench.toml"


def default_cache(environ: Mapping[str, str] = os.environ) -> Path:
    """Where compiled objects and crash reports go: $MMBENCH_CACHE, $XDG_CACHE_HOME/mmbench, else ~/.cache/mmbench."""
    if environ.get("MMBENCH_CACHE"):
        return Path(environ["MMBENCH_CACHE"])
    return _user_folder("XDG_CACHE_HOME", ".cache", environ)


def user_file(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's own settings file; it need not exist."""
    return _user_folder("XDG_CONFIG_HOME", ".config", environ) / "config.toml"


def _user_folder(variable: str, otherwise: str, environ: Mapping[str, str]) -> Path:
    base = environ.get(variable, "")
    if base.startswith("/"):  # relative values are to be ignored (XDG Base Directory Specification)
        return Path(base) / "mmbench"
    home = environ.get("HOME", "")
    return (Path(home) if home else Path("~").expanduser()) / otherwise / "mmbench"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force. `origins` says for each name where its value comes from."""

    results: Path = Path("mmbench-results")
    cache: Path = Path(".cache")  # replaced by default_cache() on loading
    effort: str = "default"  # quick, default, deep
    time_budget_s: float | None = None  # None: as long as the effort takes
    seed: int = 0  # of every random order
    color: str = "auto"  # auto, always, never
    ascii: bool = False
    origins: Mapping[str, str] = field(default_factory=dict)

    def plain(self) -> dict[str, Scalar]:
        """The settings as they are copied into a run; a setting that is not set is left out."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "origins"}
        return {name: str(value) if isinstance(value, Path) else value for name, value in values.items() if value is not None}


def _path(value: Given) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise UsageError(f"{value!r} is not a folder", "name a folder, such as ./mmbench-results; it is made where there is none")
    try:
        return Path(value).expanduser()
    except RuntimeError as error:  # ~name of a user who does not exist
        raise UsageError(f"{value!r} is not a folder: {error}") from None


def _one_of(words: tuple[str, ...]) -> Callable[[Given], str]:
    def read(value: Given) -> str:
        if value not in words:
            raise UsageError(f"{value!r} is not one of {', '.join(words)}")
        return str(value)

    return read


def _duration(value: Given) -> float:
    if isinstance(value, bool):
        raise UsageError(f"{value!r} is not a duration", "write seconds, or text such as '2m'")
    return parse_duration(str(value))


def _whole(value: Given) -> int:
    if isinstance(value, (bool, float)):
        raise UsageError(f"{value!r} is not a whole number")
    try:
        number = int(value)
    except ValueError:
        raise UsageError(f"{value!r} is not a whole number") from None
    if not 0 <= number < 2**63:
        raise UsageError(f"{value!r} is out of range", "write a number from 0 to 2^63 - 1")
    return number


def _truth(value: Given) -> bool:
    if isinstance(value, bool):
        return value
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    try:
        return words[str(value).lower()]
    except KeyError:
        raise UsageError(f"{value!r} is neither true nor false") from None


# The word that people write (in files, and after MMBENCH_ in capitals) -> (field of Settings, how it is read)
KEYS: dict[str, tuple[str, Callable[[Given], Any]]] = {
    "results": ("results", _path),
    "cache": ("cache", _path),
    "effort": ("effort", _one_of(EFFORTS)),
    "time_budget": ("time_budget_s", _duration),
    "seed": ("seed", _whole),
    "color": ("color", _one_of(COLORS)),
    "ascii": ("ascii", _truth),
}
# Variables that begin with MMBENCH_ and are no settings: click's completion, and our own child processes.
_OTHER_VARIABLES = ("MMBENCH_COMPLETE",)


def load_settings(
    *,
    flags: Mapping[str, Given] | None = None,
    environ: Mapping[str, str] = os.environ,
    folder: Path | None = None,
    preset: tuple[str, Mapping[str, Given]] | None = None,
) -> Settings:
    """The settings in force in `folder` (the current one); UsageError names the layer, the key and what was meant.

    `preset` is (name, values): a preset is chosen by a command, which reads it.
    """
    folder = folder or Path()
    values: dict[str, Any] = {"cache": default_cache(environ)}
    origins = dict.fromkeys(KEYS, "default")
    layers: list[tuple[str, Mapping[str, Given]]] = []
    if preset:
        layers.append((f"preset {preset[0]}", preset[1]))
    layers += [(str(path), _read_file(path)) for path in (user_file(environ), folder / PROJECT_FILE)]
    for origin, layer in layers:
        for key, value in layer.items():
            _put(values, origins, key, value, origin, origin)
    for variable, value in _variables(environ).items():
        _put(values, origins, variable, value, f"${'MMBENCH_' + variable.upper()}", "the environment")
    for key, value in (flags or {}).items():
        _put(values, origins, key, value, f"--{key.replace('_', '-')}", "the command line")
    return Settings(**values, origins=origins)


def _put(values: dict[str, Any], origins: dict[str, str], key: str, value: Given, origin: str, place: str) -> None:
    if key not in KEYS:
        near = difflib.get_close_matches(key, KEYS, n=1)
        raise UsageError(f"{place}: there is no setting '{key}'", f"did you mean '{near[0]}'?" if near else "settings: " + ", ".join(KEYS))
    name, read = KEYS[key]
    try:
        values[name] = read(value)
    except UsageError as error:
        where = f"{place}: {key}" if place == origin else origin
        raise UsageError(f"{where}: {error.message}", error.hint) from None
    origins[key] = origin


def _variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The settings among the MMBENCH_* variables. An empty one counts as not set; an unknown one may belong to someone else."""
    found = {}
    for variable, value in environ.items():
        if not variable.startswith("MMBENCH_") or not value or variable in _OTHER_VARIABLES:
            continue
        key = variable.removeprefix("MMBENCH_").lower()
        if key in KEYS:
            found[key] = value
    return found


def unknown_variables(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """MMBENCH_* variables that set nothing, each with the setting that may have been meant ("" for none)."""
    strange = {}
    for variable in environ:
        key = variable.removeprefix("MMBENCH_").lower()
        if variable.startswith("MMBENCH_") and key not in KEYS and variable not in _OTHER_VARIABLES:
            near = difflib.get_close_matches(key, KEYS, n=1)
            strange[variable] = f"MMBENCH_{near[0].upper()}" if near else ""
    return strange


def _read_file(path: Path) -> Mapping[str, Given]:
    other = not_regular(path)
    if other:
        raise UsageError(f"{path}: cannot be read: it is {other}, not a regular file", "settings are a TOML file: move it away")
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: byte {error.start} is not UTF-8 text", "TOML files are UTF-8") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}", "mend its permissions or move it away") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}", "see https://toml.io for the rules") from None
    except RecursionError:
        raise UsageError(f"{path}: nested too deeply to be settings") from None
