"""The tutorial's stack: three services, their sidecars, a name server and the front proxy. No part of the product.

``python -m demo.stack`` runs all of it on one machine; ``python -m demo.container`` runs one container's share of it.
"""
