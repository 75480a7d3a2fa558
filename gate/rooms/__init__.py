"""Rooms as they go on: every worker's copies of them, commands that are written once, and who is told."""
