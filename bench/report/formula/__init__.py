"""How do formulas in the plain text of docstrings look typeset, in MathML that every browser shows?

The notation is the plain text of the kernels' docstrings: ``s_ik``, ``w_t-1`` and ``m_{y_i, j}``
have an index, ``x^2``, ``R^-1`` and ``v^(2 j - 2)`` a power, ``A'`` is primed; ``sum_i`` and
``max_j`` act on the product that follows; ``1/2 n`` and ``x'y / (2 m)`` are fractions, ``|x|`` is a
norm, and ``[ x; y ]`` is a matrix. Words of two letters or more are upright, as functions, names or
prose. Four spaces part formulas.

A line is shown in full and in order. What is replaced is listed in ``words.py``. Not shown are the
marks ``_`` and ``^``, braces round a script, brackets round a side of a fraction, and a matrix's
``;`` and ``,``.
"""

from xpbench.bench.report.formula.markup import mathml
from xpbench.bench.report.formula.parts import Part, parts

__all__ = ["Part", "mathml", "parts"]
