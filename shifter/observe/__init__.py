"""Counting what happens, cheaply, and saying it in Envoy's words: statistics, their text forms, access log lines."""
