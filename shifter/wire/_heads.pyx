# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""HTTP/1.1 message heads in C: `_pure_heads` says what is parsed and why; this only does it in one pass over the bytes.

Rule 1. Whatever is rare (a Connection that nominates fields, an odd transfer coding) is handed to the helpers of
        `_pure_heads`, so that a rule stands in one place.
Rule 2. What is refused here is looked at again by `_pure_heads`, whose word counts: it says status and detail.
Rule 3. The canonical block is written into one static buffer: the interpreter lock is held throughout.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr, memcmp, memcpy

from shifter.wire import _pure_heads
from shifter.wire.events import RequestHead, ResponseHead
from shifter.wire import events as _events

cdef int CLOSE = _events.CLOSE
cdef int KEEP_ALIVE = _events.KEEP_ALIVE
cdef int EXPECT_CONTINUE = _events.EXPECT_CONTINUE
cdef int UPGRADE = _events.UPGRADE
cdef int TE_TRAILERS = _events.TE_TRAILERS
cdef int HAS_XFP = _events.HAS_XFP
cdef int HAS_REQUEST_ID = _events.HAS_REQUEST_ID
cdef int HAS_XFF = _events.HAS_XFF
cdef int HAS_X_ENVOY = _events.HAS_X_ENVOY
cdef int HAS_UNDERSCORE = _events.HAS_UNDERSCORE
cdef int ODD_PATH = _events.ODD_PATH
cdef int HAS_DATE = _events.HAS_DATE
cdef int NO_BODY = _events.NO_BODY
cdef int UNTIL_END = _events.UNTIL_END

cdef object METHODS = _pure_heads.METHODS
cdef object apply_connection = _pure_heads._apply_connection
cdef object te_flags = _pure_heads.te_flags
cdef object HOST_SYNTAX = _pure_heads._HOST
cdef bytes GET = b"GET"
cdef bytes CONNECT = b"CONNECT"

DEF ROOM = 262144
cdef char scratch[ROOM]

include "_characters.pxi"

cdef struct Seen:
    long long length
    int flags
    int fields
    bint chunked
    bint upgrade
    Py_ssize_t host_start
    Py_ssize_t host_end

cdef inline bint is_word(const unsigned char *p, Py_ssize_t start, Py_ssize_t end, const char *word, Py_ssize_t n) noexcept nogil:
    """Whether p[start:end] is *word* whatever its case."""
    cdef Py_ssize_t k
    if end - start != n:
        return False
    for k in range(n):
        if LOWER[p[start + k]] != <unsigned char>word[k]:
            return False
    return True

class Refused(Exception):
    """Not a head that is taken here; what is wrong with it says `_pure_heads`."""

cdef object refuse():
    raise Refused

cdef object walk(const unsigned char *p, Py_ssize_t at, Py_ssize_t end, int max_fields, bint request, Seen *seen):
    """Read the field lines p[at:end] (each but the last ended by CRLF, p[end:end+4] being CRLF CRLF) into `scratch`.

    Returns (bytes written, set of nominated names or None).
    """
    cdef Py_ssize_t out = 0, start, stop, value, tail, n, line_out, k
    cdef unsigned char c
    cdef bint drop, underscore
    cdef long long number
    cdef char *name
    nominated = None
    if end - at + 4 * <Py_ssize_t>max_fields + 8 > ROOM:
        refuse()
    while at < end:
        seen.fields += 1
        if seen.fields > max_fields:
            refuse()
        start = at
        line_out = out
        scratch[out] = 13
        scratch[out + 1] = 10
        out += 2
        name = scratch + out
        underscore = False
        while True:
            c = LOWER[p[at]]
            if c == 0:
                break
            if c == 95:
                underscore = True
            scratch[out] = c
            out += 1
            at += 1
        n = at - start
        if n == 0 or p[at] != 58:
            refuse()
        at += 1
        while p[at] == 32 or p[at] == 9:
            at += 1
        value = at
        while VALUE[p[at]]:
            at += 1
        if at > end or p[at] != 13 or p[at + 1] != 10:
            refuse()
        stop = at
        at += 2
        tail = stop
        while tail > value and (p[tail - 1] == 32 or p[tail - 1] == 9):
            tail -= 1
        drop = False
        if n == 4:
            if request and memcmp(name, b"host", 4) == 0:
                drop = True
                if seen.host_start >= 0:
                    refuse()
                seen.host_start = value
                seen.host_end = tail
            elif not request and memcmp(name, b"date", 4) == 0:
                seen.flags |= HAS_DATE
        elif n == 6:
            if request:
                if memcmp(name, b"expect", 6) == 0 and (<bytes>p[value:tail]).lower() == b"100-continue":
                    seen.flags |= EXPECT_CONTINUE
                    drop = True
            elif memcmp(name, b"server", 6) == 0:
                drop = True
                if seen.host_start < 0:
                    seen.host_start = value
                    seen.host_end = tail
        elif n == 10:
            if memcmp(name, b"connection", 10) == 0:
                drop = True
                if is_word(p, value, tail, b"keep-alive", 10):
                    seen.flags |= KEEP_ALIVE
                elif is_word(p, value, tail, b"close", 5):
                    seen.flags |= CLOSE
                else:
                    if nominated is None:
                        nominated = set()
                    seen.flags = apply_connection((<bytes>p[value:tail]).lower(), seen.flags, nominated)
            elif memcmp(name, b"keep-alive", 10) == 0:
                drop = True
            elif request and memcmp(name, b"x-envoy-", 8) == 0:
                seen.flags |= HAS_X_ENVOY
        elif n == 14 and memcmp(name, b"content-length", 14) == 0:
            if seen.length >= 0:
                refuse()
            if tail == value or tail - value > 18:
                refuse()
            number = 0
            for k in range(value, tail):
                if p[k] < 48 or p[k] > 57:
                    refuse()
                number = number * 10 + (p[k] - 48)
            while tail - value > 1 and p[value] == 48:
                value += 1
            seen.length = number
        elif n == 17 and memcmp(name, b"transfer-encoding", 17) == 0:
            drop = True
            if seen.chunked or not is_word(p, value, tail, b"chunked", 7):
                refuse()
            seen.chunked = True
        elif n == 16 and memcmp(name, b"proxy-connection", 16) == 0:
            drop = True
        elif n == 7 and memcmp(name, b"upgrade", 7) == 0:
            drop = True
            if not (request and is_word(p, value, tail, b"h2c", 3)):
                seen.upgrade = True
        elif n == 2 and memcmp(name, b"te", 2) == 0:
            drop = True
            if request:
                seen.flags |= te_flags(<bytes>p[value:tail])
        elif request:
            if n == 15 and memcmp(name, b"x-forwarded-for", 15) == 0:
                seen.flags |= HAS_XFF
            elif n == 17 and memcmp(name, b"x-forwarded-proto", 17) == 0:
                seen.flags |= HAS_XFP
            elif n == 12 and memcmp(name, b"x-request-id", 12) == 0:
                seen.flags |= HAS_REQUEST_ID
            elif n >= 8 and memcmp(name, b"x-envoy-", 8) == 0:
                seen.flags |= HAS_X_ENVOY
            elif n == 23 and memcmp(name, b"x-forwarded-client-cert", 23) == 0:
                seen.flags |= HAS_X_ENVOY
        elif n == 29 and memcmp(name, b"x-envoy-upstream-service-time", 29) == 0:
            drop = True
        if drop:
            out = line_out
            continue
        if underscore and request:
            seen.flags |= HAS_UNDERSCORE
        scratch[out] = 58
        scratch[out + 1] = 32
        out += 2
        memcpy(scratch + out, p + value, tail - value)
        out += tail - value
    if nominated and request:
        block = _pure_heads._without_nominated(PyBytes_FromStringAndSize(scratch, out).split(b"\r\n"), nominated)
        return b"\r\n".join(block)
    return PyBytes_FromStringAndSize(scratch, out)

cdef inline bytes host_of(const unsigned char *p, Py_ssize_t start, Py_ssize_t end):
    """The host field, its syntax checked: the plain characters here, anything else by the rule of `_pure_heads`."""
    cdef Py_ssize_t k = start
    cdef bytes host = PyBytes_FromStringAndSize(<char *>p + start, end - start)
    while k < end and HOSTCHAR[p[k]]:
        k += 1
    if k < end and p[k] == 58:
        k += 1
        if end - k > 5:
            k = start
        else:
            while k < end and 48 <= p[k] <= 57:
                k += 1
    if k < end and HOST_SYNTAX.fullmatch(host) is None:
        refuse()
    return host

def parse_request(bytes buffer not None, Py_ssize_t end, int max_fields):
    """See `_pure_heads.parse_request`."""
    try:
        return read_request(buffer, end, max_fields)
    except Refused:
        pass
    return _pure_heads.parse_request(buffer, end, max_fields)

cdef object read_request(bytes buffer, Py_ssize_t end, int max_fields):
    cdef const unsigned char *p = <const unsigned char *>PyBytes_AS_STRING(buffer)
    cdef Py_ssize_t at = 0, method_end, target
    cdef int version = 0, kind
    cdef Seen seen
    cdef unsigned char c
    cdef unsigned char previous = 0
    cdef bytes method
    if end + 4 > PyBytes_GET_SIZE(buffer):
        raise ValueError("the head does not end inside the buffer")
    seen.length = -1
    seen.flags = 0
    seen.fields = 0
    seen.chunked = False
    seen.upgrade = False
    seen.host_start = -1
    seen.host_end = -1
    while LOWER[p[at]]:
        at += 1
    method_end = at
    if method_end == 0 or p[at] != 32:
        refuse()
    at += 1
    target = at
    if p[at] != 47:
        seen.flags |= ODD_PATH
    while True:
        c = p[at]
        kind = PLAIN[c]
        if kind != 1:
            if kind == 0:
                break
            seen.flags |= ODD_PATH
        elif previous == 47 and (c == 47 or c == 46):
            seen.flags |= ODD_PATH
        previous = c
        at += 1
    if at == target:
        refuse()
    if p[at] != 32:
        refuse()
    at += 1
    if end - at >= 8 and memcmp(p + at, b"HTTP/1.1", 8) == 0:
        version = 11
    elif end - at >= 8 and memcmp(p + at, b"HTTP/1.0", 8) == 0:
        version = 10
    else:
        refuse()
    at += 8
    if p[at] != 13 or p[at + 1] != 10:
        refuse()
    at += 2
    if method_end == 3 and memcmp(p, b"GET", 3) == 0:
        method = GET
    else:
        method = PyBytes_FromStringAndSize(<char *>p, method_end)
        if method not in METHODS:
            refuse()
        if method == CONNECT:
            seen.flags |= ODD_PATH
    block = walk(p, at, end, max_fields, True, &seen)
    if seen.chunked:
        if seen.length >= 0 or version == 10:
            refuse()
        seen.length = UNTIL_END
    if seen.flags & UPGRADE and not seen.upgrade:
        seen.flags &= ~UPGRADE
    if seen.host_start >= 0:
        host = host_of(p, seen.host_start, seen.host_end)
    elif version == 11:
        refuse()
    else:
        host = b""
    return RequestHead(method, PyBytes_FromStringAndSize(<char *>p + target, at_target_end(p, target) - target), host, block, seen.length, seen.flags, version)

cdef inline Py_ssize_t at_target_end(const unsigned char *p, Py_ssize_t at) noexcept nogil:
    while PLAIN[p[at]]:
        at += 1
    return at

def parse_response(bytes buffer not None, Py_ssize_t end, int max_fields):
    """See `_pure_heads.parse_response`."""
    try:
        return read_response(buffer, end, max_fields)
    except Refused:
        pass
    return _pure_heads.parse_response(buffer, end, max_fields)

cdef object read_response(bytes buffer, Py_ssize_t end, int max_fields):
    cdef const unsigned char *p = <const unsigned char *>PyBytes_AS_STRING(buffer)
    cdef Py_ssize_t at = 12
    cdef int status
    cdef bint new
    cdef Seen seen
    if end + 4 > PyBytes_GET_SIZE(buffer):
        raise ValueError("the head does not end inside the buffer")
    seen.length = -1
    seen.fields = 0
    seen.chunked = False
    seen.upgrade = False
    seen.host_start = -1
    seen.host_end = -1
    new = end >= 12 and memcmp(p, b"HTTP/1.1 ", 9) == 0
    if not new and not (end >= 12 and memcmp(p, b"HTTP/1.0 ", 9) == 0):
        refuse()
    if not (49 <= p[9] <= 57 and 48 <= p[10] <= 57 and 48 <= p[11] <= 57):
        refuse()
    status = (p[9] - 48) * 100 + (p[10] - 48) * 10 + p[11] - 48
    if p[12] != 32 and p[12] != 13:
        refuse()
    while VALUE[p[at]]:
        at += 1
    if p[at] != 13 or p[at + 1] != 10:
        refuse()
    at += 2
    seen.flags = 0
    block = walk(p, at, end, max_fields, False, &seen)
    if seen.upgrade:
        seen.flags |= UPGRADE
    if seen.chunked:
        if not new:
            refuse()
        if seen.length >= 0:
            refuse()
        seen.length = UNTIL_END
    elif not new and not (seen.flags & KEEP_ALIVE and seen.length >= 0):
        seen.flags |= CLOSE
    head = ResponseHead(status, block, seen.length, seen.flags, seen.length == NO_BODY)
    if seen.host_start >= 0:
        head.server = PyBytes_FromStringAndSize(<char *>p + seen.host_start, seen.host_end - seen.host_start)
    return head

def uuids(bytes random not None):
    """See `request_id.uuids`."""
    cdef const unsigned char *digits = <const unsigned char *>b"0123456789abcdef"
    cdef const unsigned char *p = <const unsigned char *>PyBytes_AS_STRING(random)
    cdef Py_ssize_t count = PyBytes_GET_SIZE(random) // 16, i, k, out
    cdef unsigned char byte
    cdef char *text
    made = []
    for i in range(count):
        one = PyBytes_FromStringAndSize(NULL, 36)
        text = PyBytes_AS_STRING(one)
        out = 0
        for k in range(16):
            byte = p[i * 16 + k]
            if k == 6:
                byte = (byte & 0x0F) | 0x40
            elif k == 8:
                byte = (byte & 0x3F) | 0x80
            if k == 4 or k == 6 or k == 8 or k == 10:
                text[out] = 45
                out += 1
            text[out] = digits[byte >> 4]
            text[out + 1] = digits[byte & 15]
            out += 2
        made.append(one)
    return made

def first_value(bytes block not None, bytes name not None):
    """See `events.first_value`."""
    cdef const char *p = PyBytes_AS_STRING(block)
    cdef const char *wanted = PyBytes_AS_STRING(name)
    cdef Py_ssize_t n = PyBytes_GET_SIZE(name), size = PyBytes_GET_SIZE(block), at = 0, end
    cdef const char *next_line
    while at + 2 + n + 2 <= size:
        at += 2  # over CRLF
        next_line = <const char *>memchr(p + at, 13, size - at)
        end = size if next_line == NULL else next_line - p
        if end - at >= n + 2 and p[at + n] == 58 and p[at] == wanted[0] and memcmp(p + at, wanted, n) == 0:
            return PyBytes_FromStringAndSize(p + at + n + 2, end - at - n - 2)
        at = end
    return None
