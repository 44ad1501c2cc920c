"""Say what to do next when `mmbench` is called without a word."""

from __future__ import annotations

from .. import __version__
from ..configs.settings import Settings
from ..configs.store import machine_folders


def next_steps(settings: Settings) -> str:
    """A short screen: the commands in the order in which a newcomer needs them, and what is stored already."""
    stored = machine_folders(settings.results)
    lines = [
        f"mmbench {__version__}: what a machine really gives, measured",
        "",
        "  mmbench doctor    can a measurement be trusted here, now?",
        "  mmbench probe     measure this machine (--quick: a first look)",
        "  mmbench sweep     run every kernel here, proven right, and see how far from the roof each is",
        "  mmbench show      the stored machine again, or a sweep",
        "  mmbench explain   what the numbers mean",
        "  mmbench --help    every command",
        "",
    ]
    if stored:
        words = "1 machine" if len(stored) == 1 else f"{len(stored)} machines"
        lines.append(f"{settings.results} holds {words}. Next: mmbench show")
    else:
        lines.append(f"Nothing is stored in {settings.results} yet. Next: mmbench probe")
    return "\n".join(lines)
