"""Reverse proxies that one could write with Python's usual libraries: what shifter is compared with among its kind."""
