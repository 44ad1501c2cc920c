"""Show the settings in force."""

from __future__ import annotations

import click

from ..configs.settings import KEYS, unknown_variables
from . import console
from .state import State, json_option, pass_state

CONFIG_SCHEMA = 1


@click.group()
def config() -> None:
    """Show the settings in force, and where each comes from."""


@config.command(name="show")
@click.option("--origin", is_flag=True, help="Say for each value where it comes from.")
@json_option
@pass_state
def show(state: State, origin: bool, as_json: bool) -> None:
    """Show every setting; a flag wins over MMBENCH_*, ./mmbench.toml, the user's config.toml and the defaults."""
    settings = state.settings
    for variable, near in unknown_variables().items():
        console.say(f"note: ${variable} sets nothing" + (f"; did you mean ${near}?" if near else ""))
    values = {key: getattr(settings, name) for key, (name, _) in KEYS.items()}
    if as_json:
        plain = {key: value if isinstance(value, (bool, int, float, type(None))) else str(value) for key, value in values.items()}
        console.answer_json({"schema": CONFIG_SCHEMA, "settings": plain, "origins": dict(settings.origins)})
        return
    lines: list[tuple[str, ...]] = []
    for key, value in values.items():
        shown = "not set" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        lines.append((key, shown, settings.origins[key]) if origin else (key, shown))
    console.answer(console.rows(lines, ("setting", "value", "from") if origin else ("setting", "value")))
