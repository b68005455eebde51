"""One digest of several texts: what tells whether an article, or what is read of it, is the same as before."""

from hashlib import blake2b


def digest_of(*parts: str) -> bytes:
    """16 bytes of BLAKE2b. No two lists of texts are written alike, wherever the parts end."""
    return blake2b("".join([f"{len(part)}:{part}" for part in parts]).encode(), digest_size=16).digest()
