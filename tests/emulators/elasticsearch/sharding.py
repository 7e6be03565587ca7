"""Which shard a document lives on: the engine's own rule, so that an operation with another routing misses as it does there.

A document is found by its id on one shard only, the one that its routing, or else its id, chooses. Searches ask all.
"""

from __future__ import annotations

_MASK = 0xFFFFFFFF
_MOST_ROUTING_SHARDS = 1024


def shard_of(routing: str, shards: int) -> int:
    """The shard, of this many, that a routing (by default the id) chooses."""
    if shards <= 1:
        return 0
    spread = shards
    while spread * 2 <= _MOST_ROUTING_SHARDS:  # index.number_of_routing_shards by default: it leaves room for splits
        spread *= 2
    return murmur3(routing.encode("utf-16-le", "surrogatepass")) % spread // (spread // shards)


def murmur3(data: bytes) -> int:
    """MurmurHash3 (x86, 32 bits, seed 0), as a signed number."""
    mixed = 0
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        mixed ^= _scrambled(int.from_bytes(data[at : at + 4], "little"))
        mixed = (_rotated(mixed, 13) * 5 + 0xE6546B64) & _MASK
    if whole < len(data):
        mixed ^= _scrambled(int.from_bytes(data[whole:], "little"))
    mixed ^= len(data)
    mixed = ((mixed ^ mixed >> 16) * 0x85EBCA6B) & _MASK
    mixed = ((mixed ^ mixed >> 13) * 0xC2B2AE35) & _MASK
    mixed ^= mixed >> 16
    return mixed - (1 << 32) if mixed >> 31 else mixed


def _scrambled(block: int) -> int:
    return (_rotated((block * 0xCC9E2D51) & _MASK, 15) * 0x1B873593) & _MASK


def _rotated(number: int, by: int) -> int:
    return (number << by | number >> 32 - by) & _MASK
