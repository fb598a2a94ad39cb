"""What a kernel may say beyond the array API standard: the verbs that the standard lacks."""

from typing import Any


class Vocabulary:
    """The standard's namespace and the verbs it lacks, as one object that kernels receive as ``xp``."""

    def __init__(self, namespace: Any) -> None:
        names = [name for name in dir(namespace) if not name.startswith("_")]
        self.__dict__.update({n: getattr(namespace, n) for n in names if not hasattr(type(self), n)})
