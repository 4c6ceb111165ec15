"""Byte streams: our own descriptors on Twisted's reactor, behind one small interface."""
