"""Checkers of the exercises, one module a lesson: ``EXERCISES`` maps a name to (checker, hints, praise)."""
