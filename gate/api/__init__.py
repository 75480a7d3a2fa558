"""Management surfaces, each in the wire form of its own system. Nothing of it is reachable for viewers."""
