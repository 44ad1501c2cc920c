"""Write a run's exports: files that are tried before anything is measured, and written whatever the end is."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..configs.codec import encode
from ..configs.errors import StoreError, UsageError
from ..configs.files import write_atomic
from . import console
from .outputs import check_output

if TYPE_CHECKING:
    from ..configs.sweepdoc import SweepDocument
    from ..configs.sweeplog import Sweep


class ExportFiles:
    """The files that were asked for, by form; None for what was not. `kept` is the hint where one cannot be written."""

    def __init__(self, files: dict[str, str | None], kept: str) -> None:
        self.files = files
        self.kept = kept

    @property
    def asked(self) -> dict[str, Path]:
        """Form -> file."""
        return {form: Path(file) for form, file in self.files.items() if file is not None}

    def refuse(self, why: str, hint: str) -> None:
        """UsageError where any was asked for."""
        for form in self.asked:
            raise UsageError(f"--export-{form}: {why}", hint)

    def check(self) -> None:
        """UsageError or StoreError for a file that could not be written later."""
        taken: dict[str, str] = {}
        for form, path in self.asked.items():
            name = self.files[form] or ""
            if not name.strip() or "\0" in name:
                raise UsageError(f"--export-{form}: {name!r} is not a file name", "name the file to write, or leave the option out")
            if name == "-":
                raise UsageError(
                    f"--export-{form}: - is no file name here", "for standard output write /dev/stdout; for JSON, --json does it"
                )
            place = os.path.abspath(path)  # noqa: PTH100 - resolve() would follow /dev/stdout
            if place in taken:
                raise UsageError(f"--export-{form} and --export-{taken[place]} name the same file {path}", "name two files")
            taken[place] = form
            check_output(path, f"--export-{form}")
            _check_file(path, form)

    def write_texts(self, text_of: Callable[[str], str]) -> None:
        """All of them, as `text_of(form)`. One that fails does not keep the others from being written; its error is raised at the end."""
        trouble: StoreError | None = None
        for form, path in self.asked.items():
            try:
                write_atomic(path, text_of(form).encode("utf-8", errors="backslashreplace"), self.kept)
            except StoreError as error:
                trouble = trouble or error
            else:
                console.say(f"wrote {path}")
        if trouble is not None:
            raise trouble


class Exports(ExportFiles):
    """Those of a sweep."""

    def __init__(self, json_file: str | None, junit_file: str | None, markdown_file: str | None) -> None:
        files = {"json": json_file, "junit": junit_file, "markdown": markdown_file}
        super().__init__(files, "write the stored sweep elsewhere with `mmbench export`")

    def write(self, document: SweepDocument, sweep: Sweep) -> None:
        """All of them; see `write_texts`."""
        self.write_texts(lambda form: export_text(form, document, sweep))


def export_text(form: str, document: SweepDocument, sweep: Sweep) -> str:
    """A sweep as json, junit or markdown."""
    if form == "json":
        return json.dumps(encode(document), ensure_ascii=False, indent=1) + "\n"
    if form == "junit":
        from ..reports.junit import sweep_junit

        return sweep_junit(document, sweep.plan)
    from ..reports.markdown import sweep_markdown

    return sweep_markdown(document)


def _check_file(path: Path, form: str) -> None:
    if path.is_dir() or str(path).endswith("/"):
        raise UsageError(f"--export-{form}: {path} is a folder", "name a file in it")
    if path.exists() and not os.access(path, os.W_OK):
        raise StoreError(f"--export-{form}: {path} cannot be written: permission denied", "mend the permissions, or name another file")
    if path.exists() and not path.is_file():
        _check_device(path, form)
        return
    trial = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        trial.touch()
        trial.unlink()
    except OSError as error:
        hint = "make the folder first, or name another file"
        raise StoreError(f"--export-{form}: {path} cannot be written: {error.strerror or error}", hint) from None


def _check_device(path: Path, form: str) -> None:
    """A device that takes nothing (/dev/full) says so of no bytes at all. A pipe is left alone: it may wait for its reader."""
    if path.is_block_device():
        raise StoreError(f"--export-{form}: {path} cannot be written: it is a disk or a part of one", "name a file")
    if not path.is_char_device():
        return
    try:
        with path.open("wb", buffering=0) as device:
            device.write(b"")
    except OSError as error:
        raise StoreError(f"--export-{form}: {path} cannot be written: {error.strerror or error}", "name another file") from None
