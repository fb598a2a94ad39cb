"""Matrices of large condition number and singular ones get the same verdict on every backend.

Every kernel that factors or solves is given a matrix of condition 1e12 in float64 and 1e4 in float32,
where forward errors mean nothing unless they are measured by the condition number.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest

from xpbench.bench import registry
from xpbench.bench.agreement import judge
from xpbench.bench.exceptions import is_refusal

REGISTRY = registry.find()
BACKENDS = ("numpy", "torch", "jax", "array-api-strict")
CONDITION = {"float32": 1e4, "float64": 1e12}


@dataclass(frozen=True)
class Problem:
    """What kind of matrix a kernel takes as its first input; the others are its own, at size small.

    ``power`` is 1/2 where the matrix that is solved with or taken apart is a Gram matrix: its condition
    number is the square. ``refused`` are the defects that leave the kernel no answer, ``answered``
    those that leave it one; with the rest it may do either.
    """

    kind: Literal["general", "symmetric", "definite"] = "general"
    power: float = 1.0
    refused: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()


ROWS, COLUMNS = ("row of zeros", "repeated row"), ("column of zeros", "repeated column")
DEFECTS = (*ROWS, *COLUMNS)
PROBLEMS = {
    # A row of zeros makes it 0 in any arithmetic; with two equal rows it is made of rounding errors.
    "slogdet": Problem(
        refused=("repeated row", "repeated column"), answered=("row of zeros", "column of zeros")
    ),
    "inv": Problem(refused=DEFECTS),
    "solve": Problem(refused=DEFECTS),
    # A tall matrix has full column rank still, whatever happens to one of its rows.
    "lstsq": Problem(refused=COLUMNS, answered=ROWS),
    "pinv": Problem(answered=DEFECTS),
    "eigh": Problem("symmetric", answered=DEFECTS),
    "svd": Problem(answered=DEFECTS),
    "truncated_svd": Problem(),
    "cholesky": Problem("definite", refused=DEFECTS),
    "qr": Problem(answered=ROWS),
    "gram_schmidt": Problem(refused=COLUMNS, answered=ROWS),
    "pca": Problem(answered=DEFECTS),
    "pca_eigh": Problem(power=0.5),
    "ridge": Problem(answered=DEFECTS),
    "equality_qp": Problem("definite"),
    "newton": Problem(power=0.5, answered=ROWS),
}
PRESENT = [name for name in PROBLEMS if name in REGISTRY.kernels]


def matrix(rng, shape, kind, condition):
    """Random orthonormal factors and singular values that fall geometrically from 1."""
    m, n = shape
    u = np.linalg.qr(rng.standard_normal((m, n))).Q
    values = np.geomspace(1, 1 / condition, n)
    if kind == "general":
        return u * values @ np.linalg.qr(rng.standard_normal((n, n))).Q.T
    if kind == "symmetric":
        values = values * rng.choice([-1.0, 1.0], n)
    a = u * values @ u.T
    return (a + a.T) / 2


def with_defect(a, kind, defect):
    """``a`` with a row or column, or both of a symmetric matrix, that is zero or equal to another."""
    a = a.copy()
    zeros = defect.endswith("of zeros")
    if kind != "general" or "row" in defect:
        a[-1, :] = 0 if zeros else a[0, :]
    if kind != "general" or "column" in defect:
        a[:, -1] = 0 if zeros else a[:, 0]
    return a


@dataclass(frozen=True)
class Given:
    """A kernel, the inputs it is given and what its oracle says: outputs, or that there are none."""

    trial: Any
    inputs: list[np.ndarray]
    reference: tuple[np.ndarray, ...] | None

    @classmethod
    def make(cls, draw, name, dtype, change):
        trial = draw(name, dtype, preset="small")
        first, *others = trial.inputs
        inputs = [change(first.shape).astype(dtype), *others]
        exact = [array.astype(np.float64) for array in inputs]
        try:
            reference = trial.kernel.reference(*exact, **trial.static)
        except np.linalg.LinAlgError as refusal:
            assert len(str(refusal)) > 10
            reference = None
        return cls(trial, inputs, reference)

    def judge(self, outputs):
        trial = self.trial
        exact = [array.astype(np.float64) for array in self.inputs]
        return judge(trial.kernel, outputs, self.reference, exact, trial.static, trial.dtype)

    def verdict(self, backend):
        """``agrees``, ``refused`` by the library or for want of an answer, or what is wrong."""
        try:
            with np.errstate(all="ignore"):  # a warning of NumPy's, the others give none
                outputs = self.trial.on(backend, self.inputs)
        except Exception as error:
            if not is_refusal(error):
                raise
            return "refused"
        if self.reference is None:
            return "refused"
        found = self.judge(outputs)
        return "agrees" if found.agrees else found.reason


def ill(name, dtype, seed, scale=1.0):
    problem, rng = PROBLEMS[name], np.random.default_rng(seed)
    condition = CONDITION[dtype] ** problem.power
    return lambda shape: scale * matrix(rng, shape, problem.kind, condition)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PRESENT)
def test_a_large_condition_number_is_no_disagreement(draw, name, dtype):
    for seed in range(5):
        given = Given.make(draw, name, dtype, ill(name, dtype, seed))
        assert {backend: given.verdict(backend) for backend in BACKENDS} == dict.fromkeys(
            BACKENDS, "agrees"
        )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PRESENT)
def test_limits_that_grow_with_the_condition_still_see_the_answer_to_another_matrix(draw, name, dtype):
    given = Given.make(draw, name, dtype, ill(name, dtype, 0))
    other = Given.make(draw, name, dtype, ill(name, dtype, 1, scale=1.5))
    outputs = other.trial.on("numpy", other.inputs)
    assert other.judge(outputs).agrees
    assert not given.judge(outputs).agrees


@pytest.mark.parametrize("defect", DEFECTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PRESENT)
def test_a_singular_matrix_is_judged_or_refused_by_all(draw, name, dtype, defect):
    problem = PROBLEMS[name]

    def change(shape):
        a = matrix(np.random.default_rng(0), shape, problem.kind, 10.0)
        return with_defect(a, problem.kind, defect)

    given = Given.make(draw, name, dtype, change)
    verdicts = {backend: given.verdict(backend) for backend in BACKENDS}
    possible = [
        verdict
        for verdict, ruled_out in (("agrees", problem.refused), ("refused", problem.answered))
        if defect not in ruled_out
    ]
    assert verdicts["numpy"] in possible
    assert verdicts == dict.fromkeys(BACKENDS, verdicts["numpy"])
