"""Say whether a measurement made here and now could be trusted, and what to change before making it."""

from __future__ import annotations

import textwrap

import click

from ..configs.codec import encode
from ..configs.errors import Exit
from . import console
from .checks import Check, everything
from .checks import State as Health
from .state import State, json_option, pass_state, results_option

DOCTOR_SCHEMA = 1
_COLORS = {Health.OK: "32", Health.WARN: "33", Health.FAIL: "31"}


@click.command()
@click.option("--strict", is_flag=True, help="Exit with 3 when anything is not ok.")
@json_option
@results_option
@click.pass_context
@pass_state
def doctor(state: State, ctx: click.Context, strict: bool, as_json: bool) -> None:
    """Say whether a measurement here, now, can be trusted, and what to change."""
    settings = state.settings
    checks = everything(settings)
    if as_json:
        console.answer_json({"schema": DOCTOR_SCHEMA, "trusted": _all_ok(checks), "checks": encode(checks)})
    else:
        console.answer(report(checks, console.width(), color=console.wants_color(settings)))
    if strict and not _all_ok(checks):
        ctx.exit(Exit.INCONCLUSIVE)


def _all_ok(checks: list[Check]) -> bool:
    return all(check.state is Health.OK for check in checks)


def report(checks: list[Check], columns: int, *, color: bool) -> str:
    """The checks as lines, each with its hint below, and a verdict."""
    indent = 6 + max(len(check.name) for check in checks) + 2
    lines = []
    for check in checks:
        word = f"{check.state.value:<4}"
        painted = f"\x1b[{_COLORS[check.state]}m{word}\x1b[0m" if color else word
        body = textwrap.wrap(console.clean(check.words, keep=""), columns - indent, break_on_hyphens=False)
        lines.append(f"{painted}  {check.name:<{indent - 8}}  {body[0] if body else ''}")
        lines += [" " * indent + line for line in body[1:]]
        hint = textwrap.wrap(console.clean(check.hint, keep=""), columns - indent - 2, break_on_hyphens=False)
        lines += [" " * indent + ("> " if i == 0 else "  ") + line for i, line in enumerate(hint)]
    return "\n".join([*lines, "", verdict(checks)])


def verdict(checks: list[Check]) -> str:
    """The whole in a sentence."""
    failed = sum(check.state is Health.FAIL for check in checks)
    warned = sum(check.state is Health.WARN for check in checks)
    if failed:
        return f"{failed} of {len(checks)} checks failed: mend them first, some figures could not be had at all."
    if warned:
        return f"{warned} of {len(checks)} checks gave a warning: figures from here are usable, with the named doubts."
    return f"All {len(checks)} checks are ok: a measurement here can be trusted."
