"""Write a gate's exports: one file a form, and what GitHub shows, all of it also when the gate fails."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..configs.errors import StoreError, UsageError
from . import console
from .exports import ExportFiles

if TYPE_CHECKING:
    from ..configs.gatedoc import GateDocument
    from ..configs.gatelog import Gate
    from ..configs.machine import Machine

# The forms that have an option, and its help.
EXPORT_OPTIONS = {
    "json": "Write the derived figures there.",
    "junit": "Write a JUnit file there.",
    "markdown": "Write Markdown tables there.",
    "openmetrics": "Write metrics there (of a gate).",
    "bencher": "Write Bencher's metric format there (of a gate).",
    "gab": "Write github-action-benchmark's format there (of a gate).",
    "gbench": "Write google-benchmark's format there (of a gate).",
    "pyperf": "Write a pyperf suite there (of a gate).",
}
SUMMARY = "GITHUB_STEP_SUMMARY"  # names the file whose Markdown GitHub shows beside the run


def gate_export_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Accept `--export-FORM FILE` for every form (as `export_FORM`), and `--github`."""
    function = click.option("--github", is_flag=True, help="Annotate a GitHub workflow, and write its step's summary.")(function)
    for form, about in reversed(EXPORT_OPTIONS.items()):
        function = click.option(f"--export-{form}", metavar="FILE", help=about)(function)
    return function


class GateExports(ExportFiles):
    """Those of a gate: `words` as click gives them (`export_json`, … and `github`)."""

    def __init__(self, words: dict[str, Any]) -> None:
        super().__init__(
            {form: words.get(f"export_{form}") for form in EXPORT_OPTIONS}, "write the stored gate elsewhere with `mmbench export`"
        )
        self.github = bool(words.get("github"))

    def check(self) -> None:
        """Before anything is measured: UsageError or StoreError for a file that could not be written later."""
        super().check()
        summary = os.environ.get(SUMMARY, "")
        if self.github and summary and not os.access(summary if os.path.exists(summary) else Path(summary).parent, os.W_OK):  # noqa: PTH110
            raise StoreError(f"--github: {summary} cannot be written", f"${SUMMARY} names it: mend that, or leave --github out")

    def write(self, document: GateDocument, gate: Gate, machine: Machine | None = None) -> None:
        """All that was asked for. What fails does not keep the rest from being written; the first error is raised at the end."""
        from ..reports.gate_exports import gate_export_text

        troubles: list[StoreError] = []
        steps: list[Callable[[], None]] = [lambda: self.write_texts(lambda form: gate_export_text(form, document, gate, machine))]
        steps += [lambda: self._to_github(document, gate)] if self.github else []
        for step in steps:
            try:
                step()
            except StoreError as error:
                troubles.append(error)
        if troubles:
            raise troubles[0]

    def _to_github(self, document: GateDocument, gate: Gate) -> None:
        """Annotations go to standard error, from where the runner takes them as well; the summary is added to, as others are."""
        from ..reports.gate_exports import gate_export_text

        if annotations := gate_export_text("github", document, gate):
            console.say(annotations.rstrip("\n"))
        summary = os.environ.get(SUMMARY, "")
        if not summary:
            return
        try:
            with open(summary, "a", encoding="utf-8", errors="backslashreplace") as file:  # noqa: PTH123 - as $GITHUB_STEP_SUMMARY spells it
                file.write(gate_export_text("markdown", document, gate))
        except OSError as error:
            raise StoreError(f"--github: {summary} cannot be written: {error.strerror or error}", self.kept) from None


def stored_gate_text(form: str, path: Path, results: Path) -> str:
    """A stored gate as `form`; UsageError where the form has no word for what is in it."""
    from ..configs.gatelog import read_gate
    from ..reports.gate_exports import gate_export_text
    from ..reports.gate_rows import gate_document
    from .show import machine_of

    gate = read_gate(path)
    text = gate_export_text(form, gate_document(gate), gate, machine_of(gate, results)[0])
    if not text and form.startswith("pyperf"):
        raise UsageError(f"gate {gate.run.id} has no cell with a time, and pyperf no way to say so", "export json instead")
    return text
