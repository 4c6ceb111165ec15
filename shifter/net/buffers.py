"""What ``per_connection_buffer_limit_bytes`` means: how the bytes that one message may make the process hold are shared out.

Rule 1. Whoever cannot pass bytes on asks their sender to rest at once. What is held then is what was read before, and what an
        HTTP/2 peer may send before it hears of it: these are bounded, and so is their sum.
Rule 2. Half of the limit is read at a time; a quarter is the window of a stream, and a quarter waits in a codec before its writer
        is asked to rest. Whatever the two sides of an exchange speak, a message holds less than the larger of their limits.
Rule 3. 0 is no limit, as in Envoy; then what these things are by themselves holds.
"""


def read_at_a_time(limit: int, wanted: int) -> int:
    """Return how many bytes a connection with a buffer of *limit* bytes may read at once; at most *wanted*."""
    return min(wanted, max(limit // 2, 1)) if limit else wanted


def window(limit: int, wanted: int) -> int:
    """Return how many bytes of a stream may be on their way, or wait in a codec; at most *wanted*."""
    return min(wanted, max(limit // 4, 1)) if limit else wanted
