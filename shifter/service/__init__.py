"""Wires every room together; the only room that knows them all."""
