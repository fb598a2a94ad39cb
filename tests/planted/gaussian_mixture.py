"""Faults in Gaussian mixtures."""

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench.kernels.gaussian_mixture import REGULARIZATION, gmm_em, rounding_deviations


def mixture(
    *,
    fewer=0,
    regularization=REGULARIZATION,
    determinant=1.0,
    distance=1.0,
    constant=True,
    weighted=True,
    about="new",
    diagonal=False,
    hard=False,
    rows=None,
    summed=False,
):
    """Expectation and maximisation component by component; as it should be by default."""

    def compute(xp, x, m, steps):
        one, d = x.dtype.type, x.shape[1]
        clusters, n = len(m), len(x)
        w = np.full(clusters, 1 / clusters, x.dtype)
        s = np.stack([np.eye(d, dtype=x.dtype)] * clusters)
        likelihoods = np.zeros(steps, x.dtype)
        for t in range(steps - fewer):
            joint = np.empty((n, clusters), x.dtype)
            for k in range(clusters):
                q = np.sum((x - m[k]) * np.linalg.solve(s[k], (x - m[k]).T).T, axis=1)
                log = np.linalg.slogdet(s[k]).logabsdet + (d * np.log(2 * np.pi) if constant else 0)
                joint[:, k] = np.log(w[k]) * one(weighted) - (one(determinant * log) + distance * q) / 2
            total = xp.logsumexp(joint, axis=1)
            likelihoods[min(t, steps - 1)] = np.sum(total) if summed else np.mean(total)
            r = np.exp(joint - total[:, None])[:rows]
            if hard:
                r = (joint == joint.max(axis=1, keepdims=True)).astype(x.dtype)
            counts = np.maximum(np.sum(r, axis=0), 1)
            w, old = counts / one(len(r)), m
            m = r.T @ x[:rows] / counts[:, None]
            for k in range(clusters):
                c = x[:rows] - (m if about == "new" else old)[k]
                s[k] = (r[:, k] * c.T) @ c / counts[k]
                s[k] = np.diag(np.diag(s[k])) if diagonal else s[k]
            s = s + one(regularization) * np.eye(d, dtype=x.dtype)
        return w, m, s, likelihoods

    return compute


def all_samples_off_by_one_feature(xp, x, means, steps):
    return gmm_em(xp, np.roll(x, 1, axis=1), means, steps=steps)


def weights_off_by_one(outputs):
    outputs[0] = np.roll(outputs[0], 1)


def likelihoods_off_by_one(outputs):
    outputs[3] = np.roll(outputs[3], -1)


def likelihoods_backwards(outputs):
    outputs[3] = outputs[3][::-1].copy()


def em_unit(output):
    def unit(outputs, x, means, steps):
        deviation = rounding_deviations(x, means, steps)[output]
        return deviation[len(deviation) // 2] if output == 3 else np.linalg.norm(deviation)

    return unit


FAULTS: dict[str, list[Fault]] = {
    "gmm_em": [
        algorithm("term", "no determinant", mixture(determinant=0)),
        algorithm("term", "determinant not halved", mixture(determinant=2)),
        algorithm("term", "distance of half the weight", mixture(distance=0.5)),
        algorithm("term", "no constant", mixture(constant=False)),
        algorithm("term", "equal weights in every step", mixture(weighted=False)),
        algorithm("term", "covariances about the means of before", mixture(about="old")),
        algorithm("term", "diagonal covariances", mixture(diagonal=True)),
        algorithm("term", "every sample to one component", mixture(hard=True)),
        algorithm("term", "nothing on the diagonal", mixture(regularization=0), dtypes=("float64",)),
        algorithm("term", "likelihoods of all samples", mixture(summed=True)),
        algorithm("index", "a step too few", mixture(fewer=1)),
        algorithm("index", "a step too many", mixture(fewer=-1)),
        algorithm("index", "last sample left out", mixture(rows=-1)),
        algorithm("index", "features off by one", all_samples_off_by_one_feature),
        result("index", "weights off by one", weights_off_by_one),
        result("index", "likelihoods a step late", likelihoods_off_by_one),
        result("index", "likelihoods backwards", likelihoods_backwards),
        entry("weights", em_unit(0)),
        entry("means", em_unit(1), output=1),
        entry("covariances", em_unit(2), output=2),
        entry("likelihoods", em_unit(3), output=3),
    ],
}
PRODUCTS = ("gmm_em",)
LOOSE: dict[tuple[str, str, str], str] = {}
