"""Start the processes of a gate's sides: each in its own environment, with a path and an environment size of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ...configs.gateplan import Contest, GatePlan, Launch
from ...configs.plan import Entrant
from ..measure.worker import Worker
from .environments import worker_command
from .launch import NEW, PATHS, Starter, padding, turned
from .places import moved, varied, varied_environment


def starter(plan: GatePlan, folder: Path | None = None) -> Starter:
    """How processes of a side are started (`launch.Starter`); with `folder`, each gets paths of its own below it."""

    @contextlib.contextmanager
    def start(side: str, contest: Contest, launch: Launch) -> Iterator[tuple[Worker, Entrant]]:
        entrant, where = (contest.new, plan.new) if side == NEW else (contest.old, plan.old)
        with contextlib.ExitStack() as stack:
            if folder is not None:
                chars = 8 + turned(launch.path_chars, PATHS, side)
                before = where
                where = stack.enter_context(varied_environment(before, folder, chars))
                there = moved(entrant, before, where)
                if there.path and there.path == entrant.path:  # it lies in no environment
                    there = replace(entrant, path=stack.enter_context(varied(entrant.path, folder, chars)))
                entrant = there
            yield Worker(worker_command(where), padding(launch, side)), entrant

    return start
