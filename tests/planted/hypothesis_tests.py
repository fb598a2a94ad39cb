"""Faults in tests of equal means."""

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench.kernels.hypothesis_tests import difference_bounds, permutation_test, t_bounds, t_test


def welch(*, pooled=False, unbiased=1, sides=2.0, degrees=None):
    """The test with a variance, the sides or the degrees of freedom of another."""

    def compute(xp, a, b):
        import scipy.stats

        n, k = a.shape[1], b.shape[1]
        v_a, v_b = (np.var(x, axis=1, ddof=unbiased) for x in (a, b))
        if pooled:
            v_a = v_b = ((n - 1) * v_a + (k - 1) * v_b) / (n + k - 2)
        v_a, v_b = v_a / n, v_b / k
        v = v_a + v_b
        t = (a.mean(axis=1) - b.mean(axis=1)) / np.sqrt(v)
        dof = v**2 / (v_a**2 / (n - 1) + v_b**2 / (k - 1))
        if degrees is not None:
            dof = np.full_like(dof, degrees(n, k))
        p = sides * scipy.stats.t.sf(np.abs(t), dof)
        return t, dof.astype(a.dtype), p.astype(a.dtype)

    return compute


def normal_tails(xp, a, b):
    import scipy.stats

    t, dof, _ = t_test(xp, a, b)
    return t, dof, (2 * scipy.stats.norm.sf(np.abs(t))).astype(a.dtype)


def permuted(*, compared=np.greater_equal, absolute=True, first=0):
    """Differences compared in another way, or without the observed one."""

    def compute(xp, x, members):
        n, k = len(x), members[0].sum()
        d = members @ (x - x.mean(axis=0)) * (n / (k * (n - k)))
        sizes = np.abs(d) if absolute else d
        return d[0], np.mean(compared(sizes[first:], sizes[0]), axis=0).astype(x.dtype)

    return compute


def other_sign(outputs):
    outputs[0] = -outputs[0]


def one_more(outputs):
    """As if one more permutation of a hundred had been as large."""
    outputs[1] = outputs[1] + outputs[1].dtype.type(0.01)


def rolled(outputs):
    outputs[:] = [np.roll(output, 1) for output in outputs]


def student(output):
    return lambda outputs, a, b: t_bounds(outputs, a, b)[output][len(a) // 2]


def difference(outputs, x, members):
    return difference_bounds(outputs[0], x, members)[x.shape[1] // 2]


FAULTS: dict[str, list[Fault]] = {
    "t_test": [
        algorithm("term", "pooled variance, which is Student's", welch(pooled=True)),
        algorithm("term", "variances over n", welch(unbiased=0)),
        algorithm("term", "one side", welch(sides=1.0)),
        algorithm("term", "Student's degrees of freedom", welch(degrees=lambda n, k: n + k - 2)),
        algorithm("term", "normal tails", normal_tails),
        result("term", "of the other sign", other_sign),
        algorithm("index", "last draw left out", lambda xp, a, b: t_test(xp, a[:, :-1], b)),
        result("index", "pairs off by one", rolled),
        entry("statistic", student(0)),
        entry("degrees of freedom", student(1), output=1),
        entry("p-value", student(2), output=2),
    ],
    "permutation_test": [
        algorithm("term", "larger alone", permuted(compared=np.greater)),
        algorithm("term", "one side", permuted(absolute=False)),
        algorithm("term", "without the observed one", permuted(first=1)),
        result("term", "one permutation more", one_more),
        result("term", "of the other sign", other_sign),
        algorithm(
            "index",
            "members off by one",
            lambda xp, x, members: permutation_test(xp, x, np.roll(members, 1, axis=1)),
        ),
        result("index", "variables off by one", rolled),
        entry("differences", difference),
        entry("p-values", lambda outputs, x, members: outputs[1][x.shape[1] // 2], output=1),
    ],
}
PRODUCTS = ("permutation_test",)
LOOSE: dict[tuple[str, str, str], str] = {}
