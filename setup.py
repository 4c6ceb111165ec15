"""Adds the one compiled module. Everything else about the distribution stands in setup.cfg.

The module is optional twice over: where no C compiler works the build goes on without it, and ``SHIFTER_PURE=1`` in
the environment leaves it out on purpose. ``shifter.wire.heads`` behaves the same either way, only slower.
"""

import os

from Cython.Build import cythonize
from setuptools import Extension, setup

HEADS = Extension("shifter.wire._heads", ["shifter/wire/_heads.pyx"], optional=True)

if os.environ.get("SHIFTER_PURE", "") not in ("", "0"):
    setup()
else:
    setup(ext_modules=cythonize([HEADS], language_level=3))
