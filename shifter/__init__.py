"""shifter: a reverse proxy for people who release software incrementally."""

__version__ = "0.1.0"
