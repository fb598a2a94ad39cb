"""``python -m xpbench``: the same commands as ``xpbench``."""

import os
import sys

# `python -m` puts the current folder first, where a file called numpy.py may lie.
if sys.path and sys.path[0] in ("", os.getcwd()):  # noqa: PTH109
    del sys.path[0]

from xpbench.bench.cli import main

sys.exit(main())
