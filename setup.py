"""Adds the one compiled module. Everything else about the distribution stands in setup.cfg.

The module is optional twice over: where no C compiler works the build goes on without it, and ``SHIFTER_PURE=1`` in
the environment leaves it out on purpose. ``shifter.wire.heads`` behaves the same either way, only slower.
"""

import os

from setuptools import Extension, setup

# With Cython among the build requirements, setuptools itself knows what to do with a .pyx file.
HEADS = Extension("shifter.wire._heads", ["shifter/wire/_heads.pyx"], optional=True)
PURE = os.environ.get("SHIFTER_PURE", "") not in ("", "0")

setup(ext_modules=[] if PURE else [HEADS])
