"""Data from the world, of which none is shipped: scikit-learn's copies, where it is installed."""

import numpy as np

from xpbench.bench.exceptions import Unsupported


def real_data(name: str, **size: int) -> tuple[np.ndarray, np.ndarray]:
    """The features (n, d) and labels (n,) of a data set that scikit-learn carries.

    ``name`` as in ``sklearn.datasets.load_<name>``; ``size`` is what the case says of it, some of ``n``,
    ``d`` and ``classes``.

    Raises
    ------
    Unsupported
        If scikit-learn is not installed, or the data are of another size.
    """
    try:
        import sklearn.datasets
    except ImportError:
        raise Unsupported(f"the {name} data come with scikit-learn: pip install scikit-learn") from None
    x, y = getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)
    found = {"n": x.shape[0], "d": x.shape[1], "classes": int(y.max()) + 1}
    seen = {key: found[key] for key in size}
    if seen != size:
        shown, asked = (",".join(f"{key}={value}" for key, value in s.items()) for s in (seen, size))
        raise Unsupported(f"the {name} data are {shown}, not {asked}")
    return x, y
