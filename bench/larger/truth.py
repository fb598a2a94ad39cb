"""The process that holds an answer against another's.

In memory and in float64 by SciPy, or by scikit-learn's IncrementalPCA, which reads blocks as well and
keeps the leading components of what it has seen: an approximation.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

from xpbench.bench import floating, memory
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.larger.limits import (
    Reduced,
    coefficients_limit,
    pca_limits,
    residual_error,
    residual_limit,
    sine,
)
from xpbench.bench.larger.matrix import Reader, Table, table
from xpbench.bench.larger.work import PCA, Work
from xpbench.bench.report.quantities import volume
from xpbench.bench.task import announce, die_with_parent

EXACT, INCREMENTAL = "exact", "incremental"
CHECKS = (EXACT, INCREMENTAL)
COPIES = 4
"""Arrays of float64 as large as the matrix, in the answer in memory."""

Agreement = dict[str, tuple[float, float]]


def exact(work: Work, how: Reduced, answer: dict[str, np.ndarray]) -> Agreement:
    """Names with values and limits, against the answer in memory."""
    import scipy.linalg

    rows = table(Path(work.data), work.target)
    # In the dtype of the work first: rounding the numbers is not what is judged.
    z = Reader(rows).block(0, rows.rows, work.dtype).astype(np.float64)
    mean = z.mean(axis=0) if work.centred else np.zeros(rows.columns)
    z -= mean
    # Of all rows at once, which leaves singular values, lengths and solutions as they are.
    triangle = np.asarray(np.linalg.qr(z, mode="r"))
    if work.problem == PCA:
        _, s, vh = scipy.linalg.svd(triangle, lapack_driver="gesvd")
        if s[0] == 0:
            # All rows are alike, which centring tells to a rounding of each.
            most = how.n * float(2 * how.unit * np.linalg.norm(mean)) ** 2
            return {"variances": (float(np.abs(answer["spectrum"]).max()) * (how.n - 1), most)}
        limits = pca_limits(how, s, mean, work.components)
        apart = answer["spectrum"] * (how.n - 1) - s**2
        return {
            "subspace": (sine(answer["components"], vh[: work.components]), limits["subspace"]),
            "variances": (float(np.abs(apart).max() / s[0] ** 2), limits["variances"]),
        }
    a, b = triangle[:, :-1], triangle[:, -1]
    x = scipy.linalg.lstsq(a, b, lapack_driver="gelsd")[0]
    size, limit = float(np.linalg.norm(x)) or 1.0, coefficients_limit(how, a, b, x, mean)
    pairs = {"coefficients": (float(np.linalg.norm(answer["coefficients"] - x)) / size, limit)}
    rest, length = float(np.linalg.norm(b - a @ x)), float(np.linalg.norm(b)) or 1.0
    off = residual_error(how, np.linalg.norm(triangle, axis=0), mean, x)
    pairs["residual"] = (abs(float(answer["residual"]) - rest) / length, off / length)
    if work.intercept:
        pairs["intercept"] = _intercept(how, float(answer["intercept"]), x, mean, limit * size)
    return pairs


def _intercept(
    how: Reduced, found: float, x: np.ndarray, mean: np.ndarray, moved: float
) -> tuple[float, float]:
    """How far an intercept is off, and may be, as shares of the sum that it is, m_y - m'x: by what the
    coefficients may have ``moved``, and by the rounding of means and of a sum of d terms."""
    terms = np.append(-mean[:-1] * x, mean[-1])
    size = float(np.abs(terms).sum()) or 1.0
    limit = float(np.linalg.norm(mean[:-1])) * moved / size + (math.sqrt(len(terms)) + 4) * how.unit
    return abs(found - float(terms.sum())) / size, limit


def refuse_beyond_memory(work: Work, rows: Table) -> None:
    """Raises where the answer in memory would not fit into it."""
    needed, most = COPIES * 8 * rows.rows * rows.columns, memory.limit()
    if most is not None and needed > most:
        raise XpbenchError(
            f"--check exact takes {volume(needed)}, and there is memory for {volume(most)}"
            + (": take --check incremental" if work.problem == PCA else ": leave it out")
        )


def incremental(work: Work, how: Reduced, answer: dict[str, np.ndarray]) -> Agreement:
    """The sine between our components and IncrementalPCA's, which is off the truth by no more than its
    own residual allows (``residual_limit``), and we by ours. Blocks are read twice, and never the
    whole."""
    from sklearn.decomposition import IncrementalPCA

    rows = table(Path(work.data), work.target)
    reader, k = Reader(rows), work.components
    # It wants as many rows as components in every block.
    starts = list(range(0, rows.rows, how.height))
    ends = [*starts[1:], rows.rows]
    if len(starts) > 1 and ends[-1] - starts[-1] < k:
        starts.pop()
        del ends[-2]
    other = IncrementalPCA(n_components=k)
    for start, end in zip(starts, ends, strict=True):
        other.partial_fit(reader.block(start, end, "float64"))
    v = other.components_.T
    times = np.zeros_like(v)
    for start, end in zip(starts, ends, strict=True):
        z = reader.block(start, end, "float64") - other.mean_
        times += z.T @ (z @ v)
    squares = np.append(answer["spectrum"] * (how.n - 1), 0.0)
    ours = pca_limits(how, np.sqrt(squares[:-1]), other.mean_, k)["subspace"]
    limit = residual_limit(times, v, float(squares[k])) + ours
    return {"subspace, to IncrementalPCA": (sine(answer["components"], v.T), limit)}


def main(file: str) -> None:
    """Compares as described in ``file``; events on standard output tell the answer."""
    say = announce()
    die_with_parent()
    asked: dict[str, Any] = json.loads(Path(file).read_text())
    work = Work(**asked["work"])
    say(event="ready")
    say(event="start", id="check")
    try:
        with np.load(work.answer, allow_pickle=False) as stored:
            answer = {name: stored[name].astype(np.float64) for name in stored.files}
        how = Reduced(work.form, asked["rows"], asked["height"], floating.eps(work.dtype))
        compare = exact if asked["check"] == EXACT else incremental
        say(event="agreement", id="check", pairs=compare(work, how, answer))
    except XpbenchError as fault:
        say(event="fault", id="check", text=str(fault))
    say(event="bye")


if __name__ == "__main__":
    main(sys.argv[1])
