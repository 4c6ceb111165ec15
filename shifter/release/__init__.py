"""Releases: the state machine that takes one through its steps, the verdict on its canary, and who hears of it.

Rule 1. It sees neither the proxy nor the service: it is given facts (`observe.comparison`), and told where shares go
        (`routing.release_split`). Where it writes things down, and whom it asks over HTTP, are `interfaces`.
"""
