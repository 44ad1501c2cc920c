"""Carry from the main command to its subcommands what was given on the command line, and the settings that follow from it."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from ..configs.settings import Given, Settings, load_settings

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


def json_option(function: F) -> F:
    """Accept --json: one document with a "schema" key."""
    return click.option("--json", "as_json", is_flag=True, help='Answer with one JSON document that has a "schema" key.')(function)
