"""Which words of plain-text mathematics are symbols, which are functions, and which are English?"""

GREEK = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "epsilon": "ε",
    "zeta": "ζ",
    "eta": "η",
    "theta": "θ",
    "iota": "ι",
    "kappa": "κ",
    "lambda": "λ",
    "mu": "μ",
    "nu": "ν",
    "xi": "ξ",
    "pi": "π",
    "rho": "ρ",
    "sigma": "σ",
    "tau": "τ",
    "phi": "φ",
    "chi": "χ",
    "psi": "ψ",
    "omega": "ω",
    "Gamma": "Γ",
    "Delta": "Δ",
    "Theta": "Θ",
    "Lambda": "Λ",
    "Xi": "Ξ",
    "Pi": "Π",
    "Sigma": "Σ",
    "Phi": "Φ",
    "Psi": "Ψ",
    "Omega": "Ω",
}

SYMBOLS = GREEK | {"inf": "∞"}

LARGE = {"sum": "∑", "prod": "∏", "integral": "∫"}
"""Operators that are large signs where an index or a bound follows them, and English elsewhere."""

OPERATORS = frozenset(LARGE) | {"max", "min", "argmax", "argmin", "mean", "lim", "sup"}
"""What takes its index underneath: ``sum_i``, ``max_j``; each is also a function or a name."""

_FUNCTIONS = """
    exp log lg ln erf erfc sin cos tan tanh sinh cosh atan arctan
    det diag trace tr rank orth span sign round floor ceil abs max min argmax argmin
    softmax sigmoid relu var cov
"""

FUNCTIONS = frozenset(_FUNCTIONS.split())
"""Functions, which are upright and stand apart from an argument without brackets: ``log x``."""

SIGNS = {
    "<=>": "⇔",
    "<->": "↔",
    "<-": "←",
    "->": "→",
    "=>": "⇒",
    "<=": "≤",
    ">=": "≥",
    "!=": "≠",
    "+-": "±",
    "-": "−",
    "~": "∼",
    "...": "…",
    "'": "′",
}
"""Signs of several characters, or with a better one; all else is shown as it is written."""

_PROSE = """
    a an and all any are as at be been both but by can column columns during each either else elsewhere
    entries entry every everywhere find first following for from given has have if in instead integer
    integral into is it its last less maximise maximises maximize maximizes minimise minimises minimize
    minimizes more most neither new no nor not of on only or other others otherwise over random replaced
    row rows same so some subject such sum sums than that the then there this those times to until up
    using when where which while whose with without
"""

PROSE = frozenset(_PROSE.split())
"""Words that are English wherever they stand alone; a word beside one is English as well."""

INDEX_WORDS = frozenset(
    {
        "after",
        "before",
        "eff",
        "end",
        "hat",
        "left",
        "max",
        "min",
        "new",
        "obs",
        "old",
        "pred",
        "ref",
        "test",
        "true",
    }
)
"""Words below a letter; other short ones are indices side by side: ``x_ij`` has ``i`` and ``j``."""
