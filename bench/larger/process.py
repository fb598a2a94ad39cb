"""The process that reduces a matrix within its memory."""

import functools
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from xpbench.bench import floating, registry
from xpbench.bench.backend import Backend, Setting
from xpbench.bench.exceptions import Unsupported, XpbenchError, is_refusal, one_line
from xpbench.bench.larger import budget, limits, resident
from xpbench.bench.larger.forms import FORMS, Form
from xpbench.bench.larger.limits import Reduced
from xpbench.bench.larger.matrix import Reader, Table, table
from xpbench.bench.larger.work import PCA, Done, Work
from xpbench.bench.report.quantities import volume
from xpbench.bench.task import announce, die_with_parent

Say = Callable[..., None]
WARM_ROWS, WARM_COLUMNS = 64, 4


class Reduction:
    """A form on a loaded backend: blocks of host rows go in, the answer comes out as host arrays."""

    def __init__(self, backend: Backend, form: Form, columns: int, dtype: str, *, centred: bool) -> None:
        xp = backend.xp
        self._backend, self._dtype = backend, dtype
        self._add = backend.compile(functools.partial(form.add, xp, centred=centred))
        self._components = backend.compile(functools.partial(form.components, xp))
        self._coefficients = backend.compile(functools.partial(form.coefficients, xp))
        self.rows = 0
        self._mean = backend.put(np.zeros(columns, dtype))
        self._square = backend.put(np.zeros((columns, columns), dtype))

    def add(self, block: np.ndarray) -> None:
        """Rows ``(n, columns)`` more."""
        self.rows += len(block)
        share = self._backend.put(np.array(len(block) / self.rows, self._dtype))
        rows = self._backend.put(block)
        del block
        self._mean, self._square = self._add(self._mean, self._square, rows, share)
        # Else a library that computes later would hold one block while the next is read.
        self._backend.wait((self._mean, self._square))

    def pca(self, count: int) -> dict[str, np.ndarray]:
        """``components (count, d)``, their ``variances``, the ``mean``, and the ``spectrum`` of all
        d."""
        vectors, squares = self._fetched(self._components(self._square))
        spectrum = squares / (self.rows - 1)
        (mean,) = self._fetched((self._mean,))
        return {
            "components": vectors[:count],
            "variances": spectrum[:count],
            "mean": mean,
            "spectrum": spectrum,
        }

    def lstsq(self) -> dict[str, np.ndarray]:
        """``coefficients (d,)``, the ``intercept`` (0 where none was asked for), ``residual``, the norm
        of what the fit leaves of the target, and what tells how far they are to be trusted: ``sine``,
        ``lengths`` and ``mean``, as in ``limits.least_sine``."""
        w, rest, sine, lengths = self._fetched(self._coefficients(self._square))
        (mean,) = self._fetched((self._mean,))
        return {
            "coefficients": w,
            "intercept": mean[-1] - mean[:-1] @ w,
            "residual": rest,
            "sine": sine,
            "lengths": lengths,
            "mean": mean,
        }

    def _fetched(self, outputs: Any) -> list[np.ndarray]:
        self._backend.wait(outputs)
        return [np.asarray(self._backend.fetch(output)) for output in outputs]


def reduce(work: Work, say: Say = lambda **_: None) -> tuple[dict[str, np.ndarray], Done]:
    """Does the work in this process, which is limited from then on.

    Raises
    ------
    XpbenchError
        If it cannot be done, or not within the memory.
    """
    rows, form = table(Path(work.data), work.target), FORMS[work.form]
    height = 0
    try:
        backend = _loaded(work)
        _warm(backend, form, work)
        held = resident.now()
        itemsize = floating.itemsize(work.dtype)
        allowance = budget.Budget(work.memory, held.resident)
        height = budget.block_rows(allowance, form, rows.rows, rows.columns, itemsize)
        resident.keep_within(work.memory, held)
        start = time.perf_counter()
        reduction = Reduction(backend, form, rows.columns, work.dtype, centred=work.centred)
        _add_all(reduction, rows, height, work, say)
        answer = reduction.pca(work.components) if work.problem == PCA else reduction.lstsq()
    except XpbenchError:
        raise
    except Exception as error:
        raise XpbenchError(_words(error, work, height)) from error
    how = Reduced(work.form, rows.rows, height, floating.eps(work.dtype))
    answer = _checked_pca(answer, work) if work.problem == PCA else _checked_fit(answer, how, work)
    end = resident.now()
    _refuse_beyond(end.peak, work, height)
    return answer, Done(
        rows=rows.rows,
        columns=rows.columns,
        block_rows=height,
        blocks=-(-rows.rows // height),
        seconds=time.perf_counter() - start,
        file_bytes=rows.bytes,
        before=held.resident,
        peak=end.peak,
        mapped=end.files,
    )


def _loaded(work: Work) -> Backend:
    backend = registry.find().backend(work.backend)
    if reason := backend.unusable():
        raise XpbenchError(f"--backend {work.backend}: {reason}")
    if reason := backend.declines(work.dtype):
        raise XpbenchError(f"--dtype {work.dtype}: {reason}")
    try:
        backend.load(Setting(work.device or backend.home, work.threads, wide=work.dtype == "float64"))
    except Unsupported as fault:
        raise XpbenchError(f"--backend {work.backend}: {fault}") from fault
    return backend


def _warm(backend: Backend, form: Form, work: Work) -> None:
    """Once through all that is called, small: what a library loads, starts and keeps is there after
    it."""
    rows = np.random.default_rng(0).standard_normal((WARM_ROWS, WARM_COLUMNS)).astype(work.dtype)
    trial = Reduction(backend, form, WARM_COLUMNS, work.dtype, centred=work.centred)
    trial.add(rows)
    trial.add(rows[::-1].copy())
    _ = trial.pca(1) if work.problem == PCA else trial.lstsq()


def _add_all(reduction: Reduction, rows: Table, height: int, work: Work, say: Say) -> None:
    reader = Reader(rows)
    for start in range(0, rows.rows, height):
        stop = min(start + height, rows.rows)
        reduction.add(reader.block(start, stop, work.dtype))
        _refuse_beyond(resident.now().peak, work, height)
        say(event="block", id=work.problem, rows=stop)


def _refuse_beyond(peak: int, work: Work, height: int) -> None:
    if peak > work.memory:
        raise XpbenchError(
            f"{work.backend} took {volume(peak)} with blocks of {height} rows, and --memory allows "
            f"{volume(work.memory)}: allow more"
        )


def _checked_pca(answer: dict[str, np.ndarray], work: Work) -> dict[str, np.ndarray]:
    if not all(np.isfinite(array).all() for array in answer.values()):
        raise XpbenchError(_overflown(work))
    return answer


def _checked_fit(answer: dict[str, np.ndarray], how: Reduced, work: Work) -> dict[str, np.ndarray]:
    """The answer with ``residual_error``, by which the residual may be off.

    Raises
    ------
    XpbenchError
        Where squares overflow, or the columns depend on each other as far as this form can tell.
    """
    lengths, mean = (np.asarray(answer.pop(name), np.float64) for name in ("lengths", "mean"))
    sine = float(answer.pop("sine"))
    if not (np.isfinite(lengths).all() and np.isfinite(mean).all()):
        raise XpbenchError(_overflown(work))
    if not sine > limits.least_sine(how, lengths, mean):
        raise XpbenchError(_dependent(work))
    if not all(np.isfinite(array).all() for array in answer.values()):
        raise XpbenchError(_overflown(work))
    x = answer["coefficients"].astype(np.float64)
    return answer | {"residual_error": np.array(limits.residual_error(how, lengths, mean, x))}


def _overflown(work: Work) -> str:
    cure = "--dtype float64, or " if work.dtype != "float64" else ""
    return (
        f"{work.data}: its numbers are finite, and sums of their squares are not in {work.dtype}: take "
        f"{cure}larger units"
    )


def _dependent(work: Work) -> str:
    cure = "take --form qr, or " if work.form == "gram" else ""
    return (
        f"{work.data}: in {work.dtype} a column cannot be told from a combination of the others (--form "
        f"{work.form}): {cure}leave columns out"
    )


def _words(error: Exception, work: Work, height: int) -> str:
    if is_refusal(error):
        return _dependent(work) if work.problem != PCA else _overflown(work)
    said = f"{type(error).__name__} {error}"
    signs = ("OutOfMemory", "RESOURCE_EXHAUSTED", "allocate memory", "bad_alloc", "not enough memory")
    if isinstance(error, MemoryError) or any(sign in said for sign in signs):
        return (
            f"{work.backend} wanted more than the {volume(work.memory)} that --memory allows"
            + (f", with blocks of {height} rows" if height else "")
            + ": allow more"
        )
    return f"{work.backend} failed: {one_line(error)}"


def main(file: str) -> None:
    """Does the work described in ``file``; events on standard output tell of it."""
    say = announce()
    die_with_parent()
    work = Work.read(Path(file))
    say(event="ready")
    say(event="start", id=work.problem)
    try:
        answer, done = reduce(work, say)
        # Where it has a keyword of its own, types take every array for it; before, that was an array.
        save: Any = np.savez
        save(work.answer, **answer)
        say(event="done", id=work.problem, **asdict(done))
    except XpbenchError as fault:
        say(event="fault", id=work.problem, text=str(fault))
    say(event="bye")


if __name__ == "__main__":
    main(sys.argv[1])
