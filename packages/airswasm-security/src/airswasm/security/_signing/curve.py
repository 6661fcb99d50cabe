"""The part of edwards25519 that judges a public key; no secret passes here.

Formulas: RFC 8032, section 5.1, and the unified addition in extended coordinates of section 5.1.4.
"""

from __future__ import annotations

from functools import lru_cache

from ..errors import InvalidKey, WeakKey

PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, PRIME) % PRIME
_ROOT_OF_MINUS_ONE = pow(2, (PRIME - 1) // 4, PRIME)

_Point = tuple[int, int, int, int]
_IDENTITY: _Point = (0, 1, 1, 0)


# A pure function: remembering what passed is not state. What fails is judged again.
@lru_cache(maxsize=1_024)
def check_point(raw: bytes) -> None:
    """Refuse anything but the canonical encoding of a point of prime order.

    Raises:
        InvalidKey: Not 32 bytes, not canonical, or not on the curve.
        WeakKey: Of small order, or with a part of small order.
    """
    point = _decode(raw)
    if _is_identity(_multiply(point, 8)):
        raise WeakKey("the public key is a point of small order: it verifies forged signatures")
    if not _is_identity(_multiply(point, ORDER)):
        raise WeakKey("the public key has a part of small order")


def _decode(raw: bytes) -> _Point:
    if len(raw) != 32:
        raise InvalidKey(f"a public key has 32 bytes, not {len(raw)}")
    encoded = int.from_bytes(raw, "little")
    sign, y = encoded >> 255, encoded & (2**255 - 1)
    if y >= PRIME:
        raise InvalidKey("the public key is not in its canonical encoding")
    x = _recover_x(y, sign)
    return (x, y, 1, x * y % PRIME)


def _recover_x(y: int, sign: int) -> int:
    square = (y * y - 1) * pow(_D * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if (x * x - square) % PRIME:
        x = x * _ROOT_OF_MINUS_ONE % PRIME
    if (x * x - square) % PRIME:
        raise InvalidKey("the public key is not a point of the curve")
    if x == 0 and sign:
        raise InvalidKey("the public key is not in its canonical encoding")
    return x if x & 1 == sign else PRIME - x


def _add(p: _Point, q: _Point) -> _Point:
    a = (p[1] - p[0]) * (q[1] - q[0]) % PRIME
    b = (p[1] + p[0]) * (q[1] + q[0]) % PRIME
    c = 2 * p[3] * q[3] * _D % PRIME
    d = 2 * p[2] * q[2] % PRIME
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME)


def _multiply(point: _Point, factor: int) -> _Point:
    result = _IDENTITY
    while factor:
        if factor & 1:
            result = _add(result, point)
        point = _add(point, point)
        factor >>= 1
    return result


def _is_identity(point: _Point) -> bool:
    return point[0] % PRIME == 0 and (point[1] - point[2]) % PRIME == 0
