"""Which host a request goes to, as Envoy's load balancers choose it.

Rule 1. Three questions, one after the other: which hosts may it be at all (`subsets`), how well are they and how far (`priorities`,
        `localities`), and whose turn is it (`round_robin`, `least_request`, `random_choice`, `ring_hash`, `maglev`).
Rule 2. What a cluster does not use costs its requests nothing: `make` puts together only what the configuration asks for.
"""

from shifter.upstream.load_balancer.criteria import criteria_of
from shifter.upstream.load_balancer.interfaces import Balancer
from shifter.upstream.load_balancer.make import make_balancer

__all__ = ["Balancer", "criteria_of", "make_balancer"]
