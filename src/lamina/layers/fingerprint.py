"""Hashes of strings that are the same everywhere: FarmHash's fingerprint, SipHash, and how fingerprints are combined.

They are those of TensorFlow, so that a value falls into the bin that it falls into there.
"""

_WORD = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F


def _right(value: int, by: int) -> int:
    """Rotates 64 bits to the right."""
    value &= _WORD
    return (value >> by | value << (64 - by)) & _WORD


def _mix(value: int) -> int:
    value &= _WORD
    return value ^ value >> 47


def _pair(u: int, v: int, factor: int) -> int:
    a = _mix(((u ^ v) & _WORD) * factor)
    return _mix(((v ^ a) & _WORD) * factor) * factor & _WORD


def _fetch(text: bytes, at: int, size: int = 8) -> int:
    return int.from_bytes(text[at : at + size], "little")


def fingerprint(text: bytes) -> int:
    """Returns FarmHash's 64-bit fingerprint (Pike, 2014).

    >>> fingerprint(b"") == 0x9AE16A3B2F90404F
    True
    """
    size = len(text)
    if size > 64:
        return _long(text)
    if size > 32:
        return _medium(text)
    factor = _K2 + 2 * size
    if size > 16:
        return _pair(*_ends(text, _K1, factor), factor)
    if size >= 8:
        a, b = _fetch(text, 0) + _K2, _fetch(text, size - 8)
        return _pair(_right(b, 37) * factor + a, (_right(a, 25) + b) * factor, factor)
    if size >= 4:
        return _pair(size + (_fetch(text, 0, 4) << 3), _fetch(text, size - 4, 4), factor)
    if size:
        y, z = text[0] + (text[size >> 1] << 8), size + (text[-1] << 2)
        return _mix(y * _K2 ^ z * _K0) * _K2 & _WORD
    return _K2


def _ends(text: bytes, first: int, factor: int) -> tuple[int, int]:
    """Mixes the first and the last 16 bytes."""
    a, b = _fetch(text, 0) * first, _fetch(text, 8)
    c, d = _fetch(text, len(text) - 8) * factor, _fetch(text, len(text) - 16) * _K2
    return (_right(a + b, 43) + _right(c, 30) + d) & _WORD, (a + _right(b + _K2, 18) + c) & _WORD


def _medium(text: bytes) -> int:
    size = len(text)
    factor = _K2 + 2 * size
    a = _fetch(text, 0) * _K2
    y, z = _ends(text, _K2, factor)
    z = _pair(y, z, factor)
    e, f = _fetch(text, 16) * factor, _fetch(text, 24)
    g, h = (y + _fetch(text, size - 32)) * factor, (z + _fetch(text, size - 24)) * factor
    return _pair(_right(e + f, 43) + _right(g, 30) + h, e + _right(f + a, 18) + g, factor)


def _weak(text: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    w, x, y, z = (_fetch(text, at + 8 * i) for i in range(4))
    a += w
    b = _right(b + a + z, 21)
    whole = a + x + y
    return (whole + z) & _WORD, (b + _right(whole, 44) + a) & _WORD


def _long(text: bytes) -> int:
    rest = (len(text) - 1) & 63
    x, y = (81 * _K2 + _fetch(text, 0)) & _WORD, (81 * _K1 + 113) & _WORD
    z = _mix(y * _K2 + 113) * _K2 & _WORD
    v = w = (0, 0)

    def round(at: int, factor: int, nine: int) -> None:
        nonlocal x, y, z, v, w
        x = _right(x + y + v[0] + _fetch(text, at + 8), 37) * factor ^ w[1] * nine
        y = _right(y + v[1] + _fetch(text, at + 48), 42) * factor + v[0] * nine + _fetch(text, at + 40)
        z = _right(z + w[0], 33) * factor & _WORD
        x, y = x & _WORD, y & _WORD
        v = _weak(text, at, v[1] * factor, x + w[0])
        w = _weak(text, at + 32, z + w[1], y + _fetch(text, at + 16))
        z, x = x, z

    for at in range(0, len(text) - 1 - rest, 64):
        round(at, _K1, 1)
    factor = _K1 + ((z & 0xFF) << 1)
    first = w[0] + rest
    v = (v[0] + first) & _WORD, v[1]
    w = (first + v[0]) & _WORD, w[1]
    round(len(text) - 64, factor, 9)
    return _pair(_pair(v[0], w[0], factor) + _mix(y) * _K0 + z, _pair(v[1], w[1], factor) + x, factor)


def combined(first: int, second: int) -> int:
    """Returns one fingerprint for two, in this order."""
    factor = 0xC6A4A7935BD1E995
    result = (first ^ factor ^ _mix(second * factor) * factor) * factor
    return _mix(_mix(result) * factor)


def hashed(text: bytes, key: tuple[int, int] | None) -> int:
    """Returns the fingerprint, or with a key SipHash."""
    return fingerprint(text) if key is None else keyed(text, key)


def keyed(text: bytes, key: tuple[int, int]) -> int:
    """Returns SipHash-2-4 with a key of two 64-bit numbers (Aumasson and Bernstein, 2012)."""
    v0, v1 = key[0] ^ 0x736F6D6570736575, key[1] ^ 0x646F72616E646F6D
    v2, v3 = key[0] ^ 0x6C7967656E657261, key[1] ^ 0x7465646279746573

    def rounds(count: int) -> None:
        nonlocal v0, v1, v2, v3
        for _ in range(count):
            v0, v2 = (v0 + v1) & _WORD, (v2 + v3) & _WORD
            v1, v3 = _right(v1, 51) ^ v0, _right(v3, 48) ^ v2
            v0, v2 = _right(v0, 32), (v2 + v1) & _WORD
            v0, v1 = (v0 + v3) & _WORD, _right(v1, 47) ^ v2
            v2, v3 = _right(v2, 32), _right(v3, 43) ^ v0

    whole = len(text) // 8 * 8
    last = int.from_bytes(text[whole:], "little") | (len(text) & 0xFF) << 56
    for word in (*(_fetch(text, at) for at in range(0, whole, 8)), last):
        v3 ^= word
        rounds(2)
        v0 ^= word
    v2 ^= 0xFF
    rounds(4)
    return v0 ^ v1 ^ v2 ^ v3
