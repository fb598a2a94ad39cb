"""``python -m xpbench``: the same commands as ``xpbench``."""

import sys

from xpbench.bench.cli import main

sys.exit(main())
