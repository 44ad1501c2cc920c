"""Carry from the main command to its subcommands what was given on the command line, and the settings that follow from it."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from ..configs.settings import Given, Settings, load_settings

MOST_SEED = 2**31 - 1
F = TypeVar("F", bound=Callable[..., Any])


class State:
    """What every subcommand gets as `ctx.obj`. Settings are read when first asked for; `--help` reads none."""

    def __init__(self, flags: Mapping[str, Given] | None = None) -> None:
        self.flags: dict[str, Given] = dict(flags or {})

    @functools.cached_property
    def settings(self) -> Settings:
        """The settings in force. The cache folder is handed on through the environment: workers read it there."""
        settings = load_settings(flags=self.flags)
        if settings.origins["cache"] != "default":
            os.environ["MMBENCH_CACHE"] = str(settings.cache)
        return settings

    def give(self, name: str, value: Given) -> None:
        """Take a flag that a subcommand accepts as well; the later one wins."""
        self.flags[name] = value
        self.__dict__.pop("settings", None)


pass_state = click.make_pass_decorator(State, ensure=True)


def results_option(function: F) -> F:
    """Accept --results after the subcommand too."""

    def take(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
        if value is not None:
            ctx.ensure_object(State).give("results", value)

    option = click.option("--results", metavar="DIR", expose_value=False, callback=take, help="Where results are kept.")
    return option(function)


def look_options() -> list[click.Option]:
    """--color and --ascii for after the subcommand: each command gets them (`LazyGroup.get_command`)."""

    def take(ctx: click.Context, parameter: click.Parameter, value: bool | None) -> None:
        if value is not None:
            given: Given = value if parameter.name == "ascii_" else "always" if value else "never"
            ctx.ensure_object(State).give("ascii" if parameter.name == "ascii_" else "color", given)

    def option(*names: str, help_: str, **more: Any) -> click.Option:
        return click.Option(names, default=None, expose_value=False, callback=take, help=help_, **more)

    return [
        option("--color/--no-color", help_="Colour always or never."),
        option("--ascii", "ascii_", is_flag=True, help_="Draw with plain ASCII only."),
    ]


def seed_option(function: F) -> F:
    """Accept --seed: a whole number, or None where it is not given."""

    def whole(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
        text = (value or "").strip()
        if value is not None and (not re.fullmatch("[0-9]{1,20}", text) or int(text) > MOST_SEED):
            raise click.BadParameter(f"'{text[:40]}' is not a whole number from 0 to {MOST_SEED}", ctx, parameter)
        return None if value is None else int(text)

    return click.option("--seed", metavar="NUMBER", callback=whole, help="Seed of every random order (default: 0).")(function)


def json_option(function: F) -> F:
    """Accept --json: one document with a "schema" key."""
    return click.option("--json", "as_json", is_flag=True, help='Answer with one JSON document that has a "schema" key.')(function)
