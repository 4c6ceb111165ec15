# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""HTTP/2 field lists to heads and back in C: `h2_heads` says what is taken and why; this does it in one pass over the bytes.

Rule 1. What is rare, odd or wrong is handed to `h2_heads`, whose word counts: it says status and detail.
Rule 2. Nothing is remembered: reading a field costs less than looking it up.
Rule 3. The block is written into one static buffer: the interpreter lock is held throughout.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_Append
from cpython.ref cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.string cimport memchr, memcmp, memcpy

from shifter.wire import h2_heads
from shifter.wire.events import RequestHead, ResponseHead
from shifter.wire import events as _events

cdef int EXPECT_CONTINUE = _events.EXPECT_CONTINUE
cdef int TE_TRAILERS = _events.TE_TRAILERS
cdef int HAS_XFP = _events.HAS_XFP
cdef int HAS_REQUEST_ID = _events.HAS_REQUEST_ID
cdef int HAS_XFF = _events.HAS_XFF
cdef int HAS_X_ENVOY = _events.HAS_X_ENVOY
cdef int HAS_UNDERSCORE = _events.HAS_UNDERSCORE
cdef int ODD_PATH = _events.ODD_PATH
cdef int HAS_DATE = _events.HAS_DATE
cdef int REPEATED_LENGTH = _events.REPEATED_LENGTH
cdef int NO_BODY = _events.NO_BODY
cdef int UNTIL_END = _events.UNTIL_END

cdef object METHODS = h2_heads.METHODS
cdef dict STATUS_FIELDS = h2_heads._STATUS_FIELDS
cdef object pure_request_head = h2_heads.request_head
cdef object pure_response_head = h2_heads.response_head
cdef bytes GET = b"GET"
cdef bytes HTTP = b"http"
cdef bytes HTTPS = b"https"
cdef bytes METHOD = b":method"
cdef bytes SCHEME = b":scheme"
cdef bytes AUTHORITY = b":authority"
cdef bytes PATH = b":path"

include "_characters.pxi"

DEF ROOM = 262144
DEF LONGEST_HOST = 512
cdef char scratch[ROOM]

cdef struct Seen:
    long long length
    int flags
    int fields
    Py_ssize_t cookie_end  # where the cookie line ends, while it is the last

cdef inline bint is_authority(const unsigned char *p, Py_ssize_t n) noexcept nogil:
    """Whether it is a plain name with a plain port; what else may be one knows `h2_heads`."""
    cdef Py_ssize_t k = 0
    if n == 0 or n > LONGEST_HOST:
        return False
    while k < n and HOSTCHAR[p[k]]:
        k += 1
    if k == 0:
        return False
    if k < n and p[k] == 58:
        k += 1
        if n - k > 5:
            return False
        while k < n and 48 <= p[k] <= 57:
            k += 1
    return k == n

cdef inline int path_flags(const unsigned char *p, Py_ssize_t n) noexcept nogil:
    """0, ODD_PATH, or -1 for what is not a path in origin form."""
    cdef Py_ssize_t k
    cdef int kind, flags = 0
    cdef unsigned char previous = 0
    if n == 0 or p[0] != 47:
        return -1
    for k in range(n):
        kind = PLAIN[p[k]]
        if kind == 0:
            return -1
        if kind == 2 or (previous == 47 and (p[k] == 47 or p[k] == 46)):
            flags = ODD_PATH
        previous = p[k]
    return flags

cdef inline long long length_of(const unsigned char *p, Py_ssize_t n) noexcept nogil:
    cdef long long number = 0
    cdef Py_ssize_t k
    if n == 0 or n > 18:
        return -1
    for k in range(n):
        if p[k] < 48 or p[k] > 57:
            return -1
        number = number * 10 + (p[k] - 48)
    return number

cdef inline bint is_word(const unsigned char *p, Py_ssize_t size, const char *word, Py_ssize_t n) noexcept nogil:
    """Whether p is *word* whatever its case."""
    cdef Py_ssize_t k
    if size != n:
        return False
    for k in range(n):
        if LOWER[p[k]] != <unsigned char>word[k]:
            return False
    return True

cdef Py_ssize_t add(object field, Py_ssize_t out, bint request, Seen *seen, list server) except? -2:
    """Write the line of *field* behind the first *out* bytes of `scratch`; return how many there are then, or -1 for what `h2_heads`
    is to look at."""
    cdef PyObject *name_object
    cdef PyObject *value_object
    cdef const unsigned char *name
    cdef const unsigned char *value
    cdef Py_ssize_t n, size, k, start = out
    cdef unsigned char c
    cdef bint underscore = False
    cdef long long number
    if not isinstance(field, tuple) or PyTuple_GET_SIZE(field) != 2:
        return -1
    name_object = <PyObject *>PyTuple_GET_ITEM(field, 0)
    value_object = <PyObject *>PyTuple_GET_ITEM(field, 1)
    if not PyBytes_CheckExact(<object>name_object) or not PyBytes_CheckExact(<object>value_object):
        return -1
    name = <const unsigned char *>PyBytes_AS_STRING(<object>name_object)
    value = <const unsigned char *>PyBytes_AS_STRING(<object>value_object)
    n = PyBytes_GET_SIZE(<object>name_object)
    size = PyBytes_GET_SIZE(<object>value_object)
    if n == 0 or out + n + size + 4 > ROOM:
        return -1
    scratch[out] = 13
    scratch[out + 1] = 10
    out += 2
    for k in range(n):
        c = name[k]
        if LOWER[c] != c or c == 0:
            return -1
        if c == 95:
            underscore = True
        scratch[out] = c
        out += 1
    scratch[out] = 58
    scratch[out + 1] = 32
    out += 2
    if size and (value[0] == 32 or value[0] == 9 or value[size - 1] == 32 or value[size - 1] == 9):
        return -1
    for k in range(size):
        if not VALUE[value[k]]:
            return -1
    memcpy(scratch + out, value, size)
    out += size
    seen.fields += 1
    if n == 2:
        if name[0] == 116 and name[1] == 101:
            seen.fields -= 1
            if not request:
                return start
            if not is_word(value, size, b"trailers", 8):
                return -1
            seen.flags |= TE_TRAILERS
            return start
    elif n == 4:
        if request:
            if memcmp(name, b"host", 4) == 0:
                return -1
        elif memcmp(name, b"date", 4) == 0:
            seen.flags |= HAS_DATE
    elif n == 6:
        if request:
            if memcmp(name, b"cookie", 6) == 0:
                if seen.cookie_end == 0:
                    seen.cookie_end = out
                elif seen.cookie_end != start:
                    return -1
                else:
                    seen.fields -= 1
                    scratch[start] = 59
                    scratch[start + 1] = 32
                    memcpy(scratch + start + 2, value, size)
                    out = start + 2 + size
                    seen.cookie_end = out
                return out
            if memcmp(name, b"expect", 6) == 0 and is_expectation(value, size):
                seen.flags |= EXPECT_CONTINUE
                seen.fields -= 1
                return start
        elif memcmp(name, b"server", 6) == 0:
            seen.fields -= 1
            if not server:
                PyList_Append(server, <object>value_object)
            return start
    elif n == 7:
        if memcmp(name, b"upgrade", 7) == 0:
            return -1
    elif n == 10:
        if memcmp(name, b"connection", 10) == 0 or memcmp(name, b"keep-alive", 10) == 0:
            return -1
        if request and memcmp(name, b"x-envoy-", 8) == 0:
            seen.flags |= HAS_X_ENVOY
    elif n == 14 and memcmp(name, b"content-length", 14) == 0:
        number = length_of(value, size)
        if seen.length >= 0 or number < 0 or (size > 1 and value[0] == 48):
            return -1
        seen.length = number
    elif n == 16 and memcmp(name, b"proxy-connection", 16) == 0:
        return -1
    elif n == 17 and memcmp(name, b"transfer-encoding", 17) == 0:
        return -1
    elif request:
        if n == 12 and memcmp(name, b"x-request-id", 12) == 0:
            seen.flags |= HAS_REQUEST_ID
        elif n == 15 and memcmp(name, b"x-forwarded-for", 15) == 0:
            seen.flags |= HAS_XFF
        elif n == 17 and memcmp(name, b"x-forwarded-proto", 17) == 0:
            seen.flags |= HAS_XFP
        elif n == 23 and memcmp(name, b"x-forwarded-client-cert", 23) == 0:
            seen.flags |= HAS_X_ENVOY
        elif n >= 8 and memcmp(name, b"x-envoy-", 8) == 0:
            seen.flags |= HAS_X_ENVOY
    elif n == 29 and memcmp(name, b"x-envoy-upstream-service-time", 29) == 0:
        seen.fields -= 1
        return start
    if underscore and request:
        seen.flags |= HAS_UNDERSCORE
    return out

cdef inline bint is_expectation(const unsigned char *value, Py_ssize_t size) noexcept nogil:
    return is_word(value, size, b"100-continue", 12)

def request_head(fields, bint end, Py_ssize_t max_fields, Py_ssize_t max_size):
    """See `h2_heads.request_head`."""
    head = read_request(fields, end, max_fields, max_size)
    return pure_request_head(fields, end, max_fields, max_size) if head is None else head

cdef object read_request(object listed, bint end, Py_ssize_t max_fields, Py_ssize_t max_size):
    cdef tuple fields
    cdef Py_ssize_t k, count, out = 0, n
    cdef Seen seen
    cdef int kind
    cdef bytes method = None, scheme = None, authority = None, path = None, name, value
    if type(listed) is not tuple:
        return None
    fields = <tuple>listed
    count = PyTuple_GET_SIZE(fields)
    if count < 4:
        return None
    for k in range(4):
        field = fields[k]
        if not isinstance(field, tuple) or PyTuple_GET_SIZE(field) != 2:
            return None
        name, value = (<tuple>field)[0], (<tuple>field)[1]
        if name == METHOD:
            method = value
        elif name == SCHEME:
            scheme = value
        elif name == PATH:
            path = value
        elif name == AUTHORITY:
            authority = value
        else:
            return None
    if method is None or scheme is None or authority is None or path is None:
        return None
    if scheme != HTTP and scheme != HTTPS:
        return None
    if method == GET:
        method = GET
    elif method not in METHODS or method == b"CONNECT":
        return None
    if not is_authority(<const unsigned char *>PyBytes_AS_STRING(authority), PyBytes_GET_SIZE(authority)):
        return None
    kind = path_flags(<const unsigned char *>PyBytes_AS_STRING(path), PyBytes_GET_SIZE(path))
    if kind < 0:
        return None
    seen.flags = kind
    seen.length = -1
    seen.fields = 0
    seen.cookie_end = 0
    for k in range(4, count):
        n = add(fields[k], out, True, &seen, None)
        if n < 0:
            return None
        out = n
    if seen.fields > max_fields or out + PyBytes_GET_SIZE(path) + PyBytes_GET_SIZE(authority) > max_size:
        return None
    if end:
        if seen.length > 0:
            return None
        if seen.length < 0:
            seen.length = NO_BODY
    elif seen.length < 0:
        seen.length = UNTIL_END
    block = PyBytes_FromStringAndSize(scratch, out)
    return RequestHead(method, path, authority, block, seen.length, seen.flags, 20, scheme)

def response_head(fields, bint end, Py_ssize_t max_fields, Py_ssize_t max_size, bint to_head=False):
    """See `h2_heads.response_head`."""
    head = read_response(fields, end, max_fields, max_size, to_head)
    return pure_response_head(fields, end, max_fields, max_size, to_head) if head is None else head

cdef object read_response(object listed, bint end, Py_ssize_t max_fields, Py_ssize_t max_size, bint to_head):
    cdef tuple fields
    cdef Py_ssize_t k, count, out = 0, n
    cdef Seen seen
    cdef int status
    cdef list server = []
    cdef bytes name, text
    cdef const unsigned char *p
    if type(listed) is not tuple:
        return None
    fields = <tuple>listed
    count = PyTuple_GET_SIZE(fields)
    if count == 0:
        return None
    field = fields[0]
    if not isinstance(field, tuple) or PyTuple_GET_SIZE(field) != 2:
        return None
    name, text = (<tuple>field)[0], (<tuple>field)[1]
    if name != b":status" or PyBytes_GET_SIZE(text) != 3:
        return None
    p = <const unsigned char *>PyBytes_AS_STRING(text)
    if not (49 <= p[0] <= 57 and 48 <= p[1] <= 57 and 48 <= p[2] <= 57):
        return None
    status = (p[0] - 48) * 100 + (p[1] - 48) * 10 + p[2] - 48
    seen.flags = 0
    seen.length = -1
    seen.fields = 0
    seen.cookie_end = 0
    for k in range(1, count):
        n = add(fields[k], out, False, &seen, server)
        if n < 0:
            return None
        out = n
    if seen.fields > max_fields or out > max_size:
        return None
    if to_head or status == 304 or status == 204 or status < 200:
        if seen.length >= 0:
            if status == 204 or status < 200:
                return None
            seen.flags |= REPEATED_LENGTH
        seen.length = NO_BODY
    elif end:
        if seen.length > 0:
            return None
        if seen.length < 0:
            seen.length = NO_BODY
    elif seen.length < 0:
        seen.length = UNTIL_END
    head = ResponseHead(status, PyBytes_FromStringAndSize(scratch, out), seen.length, seen.flags)
    head.server = server[0] if server else None
    return head

cdef void split(list into, bytes block) except *:
    """Add the fields of *block*, which follows the rules of `events`."""
    cdef const char *p = PyBytes_AS_STRING(block)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(block), at = 2, stop, colon
    cdef const char *found
    while at < size:
        found = <const char *>memchr(p + at, 13, size - at)
        stop = found - p if found != NULL else size
        found = <const char *>memchr(p + at, 58, stop - at)
        colon = found - p if found != NULL else stop
        name = PyBytes_FromStringAndSize(p + at, colon - at)
        value = PyBytes_FromStringAndSize(p + colon + 2, stop - colon - 2) if colon + 2 <= stop else b""
        PyList_Append(into, (name, value))
        at = stop + 2

def request_fields(head):
    """See `h2_heads.request_fields`."""
    cdef bytes authority = head.authority
    cdef list fields = [(METHOD, head.method), (SCHEME, head.scheme), (AUTHORITY, authority), (PATH, head.path)]
    if not authority:
        del fields[2]
    split(fields, head.block)
    return fields

def response_fields(int status, bytes block not None):
    """See `h2_heads.response_fields`."""
    cdef list fields = [STATUS_FIELDS[status]]
    split(fields, block)
    return fields

def block_fields(bytes block not None):
    """See `h2_heads.block_fields`."""
    cdef list fields = []
    split(fields, block)
    return fields

def plain_frames(bytes data not None, Py_ssize_t at):
    """See `h2_guard.plain_frames`."""
    cdef const unsigned char *p = <const unsigned char *>PyBytes_AS_STRING(data)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data), length
    cdef int frames = 0, heads = 0
    while size - at >= 9:
        length = p[at] << 16 | p[at + 1] << 8 | p[at + 2]
        if length == 0 or at + 9 + length > size:
            break
        if p[at + 3] == 1:
            if not p[at + 4] & 4:
                break
            heads += 1
        elif p[at + 3] != 0 or p[at + 4] & 8:
            break
        frames += 1
        at += 9 + length
    return at, frames, heads
