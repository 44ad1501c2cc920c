"""Find out which commit is checked out where a run is started, so that a history can name it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping

_VARIABLES = ("GITHUB_SHA", "CI_COMMIT_SHA", "BUILDKITE_COMMIT")
_PATIENCE_S = 2.0  # a large tree on a slow disk shall not keep a sweep waiting
_SHA = re.compile("[0-9a-f]{7,64}")


def revision(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """{"commit": sha} of the current folder's repository, with `-dirty` behind it where tracked files differ from that commit; without a
    repository what the CI system says; empty for neither. Never an error."""
    sha = _git("rev-parse", "--verify", "HEAD")
    if _SHA.fullmatch(sha):
        return {"commit": sha + ("-dirty" if _git("status", "--porcelain", "--untracked-files=no") else "")}
    said = (environ.get(name, "").strip().lower() for name in _VARIABLES)
    return next(({"commit": word} for word in said if _SHA.fullmatch(word)), {})


def _git(*words: str) -> str:
    """What git answers, without starting hooks or writing its index; empty where it fails."""
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", *words]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", errors="replace").strip()
