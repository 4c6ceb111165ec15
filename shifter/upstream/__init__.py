"""Clusters that are alive: discovery, balancing, connection pools."""
