"""What the gate decides, and nothing else: no I/O, no clock, no logging, no environment.

`now` is a parameter everywhere. A refusal is a value (`reasons.Deny`), never an exception.
"""
