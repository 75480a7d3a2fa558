"""One key of each algorithm, with what it signs with. Made once: RSA keys take their time."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa

from gate.core.keys import Algorithm, Key
from gate.formats.jwk import make_key


@pytest.fixture(scope="session")
def keys() -> dict[Algorithm, Key]:
    """By algorithm; each kid is its algorithm's name. RS256 and PS256 have keys of their own."""
    made = {
        algorithm: Key(algorithm.value, algorithm, algorithm.value.encode() * 13)
        for algorithm in Algorithm
        if algorithm.symmetric
    }
    for algorithm, private in (
        (Algorithm.RS256, generate_rsa(65537, 2048)),
        (Algorithm.PS256, generate_rsa(65537, 2048)),
        (Algorithm.ES256, generate_ec(SECP256R1())),
        (Algorithm.EDDSA, Ed25519PrivateKey.generate()),
    ):
        made[algorithm] = make_key(private.public_key(), private, algorithm, algorithm.value)
    return made
