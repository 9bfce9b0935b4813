"""A search from level to level, until the policy says that it is enough."""

import warnings
from dataclasses import replace
from itertools import chain

import keras

from deepcompress.search.checkpoint import Checkpoint, Kept
from deepcompress.search.display import Display
from deepcompress.search.level import Levels, Written
from deepcompress.search.policy import Step, Stop
from deepcompress.search.result import CompressionResult
from deepcompress.search.state import State
from deepcompress.search.trainer import DivergedError, quiet


def search(
    levels: Levels, kept: Kept, folder: Checkpoint, display: Display, *, seed: int
) -> CompressionResult:
    """Goes from level to level until the policy says that it is enough.

    Args:
        levels: Does what is asked of it, within its time.
        kept: What to go on from.
        folder: Keeps what was reached after every level.
        display: Tells of it.
        seed: Seed of the levels; each has its own, so that a search that goes on after
            a kill is the one that was killed.
    """
    policy, (state, net, data, failed) = levels.policy, kept
    best: keras.Model | None = None
    why = Stop.INTERRUPTED
    with display, quiet():
        display.tell(levels.notes)
        try:
            if not state.curve:
                bar = display.untrained()
                for written in chain([levels.as_given(net)], levels.untrained(net)):
                    state = policy.after_measuring(state, written.point)
                    data, best = _better(state, written, data, best)
                    if policy.budget.target_ratio and policy.budget.is_met(
                        written.point
                    ):
                        break
                display.measured(bar, state.curve[state.best])
                # A level does the same, until one has shown what else there is.
                state = replace(
                    state,
                    seconds=levels.stopwatch.spent,
                    overhead=levels.untrained_seconds,
                )
                folder.save(Kept(state, net, data))
            while isinstance(step := policy.next(state, levels.clock), Step):
                keras.utils.set_random_seed(seed + step.number)
                bar = display.level(step)
                try:
                    start = failed if step.is_rescue and failed is not None else net
                    reached = levels.run(start, step, bar.move)
                except DivergedError as error:
                    state = policy.after_divergence(state, step)
                    warnings.warn(
                        f"A training diverged ({error}); going on with half the "
                        "learning rate.",
                        stacklevel=3,
                    )
                else:
                    point = reached.written.point
                    state = policy.after_level(state, step, point)
                    state = replace(state, overhead=reached.overhead)
                    if point.is_accurate:
                        net = reached.net
                    failed = reached.net if state.is_to_rescue else None
                    data, best = _better(state, reached.written, data, best)
                    display.measured(bar, point)
                    if reached.earlier is not None:
                        net, written = reached.earlier
                        state = policy.after_measuring(state, written.point)
                        data, best = _better(state, written, data, best)
                        display.earlier(written.point)
                state = replace(state, bits=levels.bits, seconds=levels.stopwatch.spent)
                folder.save(Kept(state, net, data, failed))
                display.tell(levels.notes)
            why = step
        except KeyboardInterrupt:
            if not data:
                raise
        best = levels.load(data) if best is None else best
        display.tell(levels.notes)
    result = CompressionResult(
        data,
        best,
        state.curve,
        state.best,
        policy.budget,
        notes=levels.notes,
        ending=policy.ending(state, why),
    )
    display.end(result)
    return result


def _better(
    state: State, written: Written, data: bytes, best: keras.Model | None
) -> tuple[bytes, keras.Model | None]:
    """Returns a file and its model if they are now the best, or those before."""
    if state.curve[state.best] is not written.point:
        return data, best
    return written.data, written.model
