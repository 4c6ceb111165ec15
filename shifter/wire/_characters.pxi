# Which bytes may stand where, as tables (`characters`); included by the compiled modules.
from shifter.wire.characters import PLAIN_PATH

cdef unsigned char LOWER[256]  # the lower-case byte of a token character, 0 for others
cdef unsigned char VALUE[256]  # 1 for bytes that may stand in a field value (HTAB, SP to 0xFF but DEL)
cdef unsigned char PLAIN[256]  # target bytes: 1 plain, 2 visible but in need of a look, 0 refused
cdef unsigned char HOSTCHAR[256]  # 1 for bytes of a plain reg-name or port

cdef void fill() except *:
    cdef int i
    for i in range(256):
        c = chr(i)
        LOWER[i] = (ord(c.lower()) if i < 128 and (c.isalnum() or c in "!#$%&'*+-.^_`|~") else 0)
        VALUE[i] = 1 if (i >= 32 and i != 127) or i == 9 else 0
        PLAIN[i] = 1 if i in PLAIN_PATH else 2 if 0x21 <= i <= 0x7E else 0
        HOSTCHAR[i] = 1 if i < 128 and (c.isalnum() or c in "-._~") else 0

fill()
