"""Token systems, one file each: text in, `Token` or refusal out. Pure: keys are handed in."""
