"""How do formulas in the plain text of docstrings look typeset, in MathML that every browser shows?"""

from xpbench.bench.report.formula.markup import mathml
from xpbench.bench.report.formula.parts import Part, parts

__all__ = ["Part", "mathml", "parts"]
