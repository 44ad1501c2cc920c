"""Say what went wrong, what to do about it, and how the process ends.

One small tree: whatever a user can cause is an `MmbenchError`, and `cli` turns it into one sentence, a hint and an exit
code. Anything else that reaches `cli` is a bug of ours (exit 70).
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of every command; one code, one meaning."""

    OK = 0
    REGRESSION = 1
    USAGE = 2
    INCONCLUSIVE = 3
    BROKEN_KERNEL = 4
    NOT_POSSIBLE = 5
    BUG = 70
    INTERRUPTED = 130


class MmbenchError(Exception):
    """A failure that a user can understand and mend: a sentence, a hint (may be empty), an exit code."""

    exit_code: Exit = Exit.USAGE

    def __init__(self, message: str, hint: str = "", exit_code: Exit | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code


class UsageError(MmbenchError):
    """Words, numbers or files that cannot be understood."""


class StoreError(MmbenchError):
    """A results folder or file that cannot be read or written."""


class SchemaError(StoreError):
    """A file whose content is not what its schema says, with the place in the file."""


class NotPossibleError(MmbenchError):
    """A thing that this machine or operating system cannot do, with the reason."""

    exit_code = Exit.NOT_POSSIBLE
