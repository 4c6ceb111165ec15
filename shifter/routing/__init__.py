"""Answers about one request head: which virtual host, which route, which cluster, which bytes go upstream. Pure."""
