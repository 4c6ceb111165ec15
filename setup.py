"""Adds the compiled modules. Everything else about the distribution stands in setup.cfg.

They are optional twice over: where no C compiler works the build goes on without them, and ``SHIFTER_PURE=1`` in
the environment leaves them out on purpose. ``shifter.wire.heads`` and ``shifter.wire.field_lists`` behave the same either way, only
slower.
"""

import os

from setuptools import Extension, setup

# With Cython among the build requirements, setuptools itself knows what to do with a .pyx file.
_TABLES = ["shifter/wire/_characters.pxi"]
HEADS = [
    Extension(f"shifter.wire.{name}", [f"shifter/wire/{name}.pyx"], depends=_TABLES, optional=True) for name in ("_heads", "_h2_heads")
]
PURE = os.environ.get("SHIFTER_PURE", "") not in ("", "0")

setup(ext_modules=[] if PURE else HEADS)
