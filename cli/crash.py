"""Keep the traceback of a bug of ours where a person can find it and send it."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
import traceback
from pathlib import Path

from .. import __version__
from ..configs.settings import default_cache


def save(error: BaseException) -> Path | None:
    """Write a crash report under the cache folder, else the temporary folder; None where neither can be written."""
    head = (
        f"mmbench {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        f"command: {' '.join(sys.argv)}\ntime: {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}\n\n"
    )
    text = head + "".join(traceback.format_exception(error))
    name = f"crash-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.txt"
    for folder in (default_cache() / "crashes", Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / name
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        return path
    return None
