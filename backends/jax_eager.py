"""JAX without jit: every call of the library is dispatched by itself, as at a prompt."""

from collections.abc import Callable
from typing import Any

from xpbench.backends.jax import Jax, JaxVocabulary
from xpbench.bench.vocabulary import Vocabulary


class JaxEagerVocabulary(JaxVocabulary):
    # A lax loop outside of jit traces its body anew in every call, some 0.2 s each, and then runs
    # compiled: it would time neither mode. Eager JAX is a loop in Python.
    fori_loop = Vocabulary.fori_loop
    scan = Vocabulary.scan
    while_loop = Vocabulary.while_loop


class JaxEager(Jax):
    name = "jax-eager"
    default = False
    vocabulary = JaxEagerVocabulary

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return function
