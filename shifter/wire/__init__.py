"""Bytes to messages and back: no socket, no clock, no reactor. Same bytes, same answer."""
