"""Faults of a user's method, and what is said of them."""

__all__ = ["Broken", "absent", "said"]


def said(error):
    return str(error) if isinstance(error, Broken) else f"raised {type(error).__name__}: {error}"


class Broken(Exception):
    """A fault found while a method was called; its text is the finding."""


def absent(error):
    return isinstance(error, NotImplementedError) or isinstance(error, ValueError) and str(error).endswith("was not given")
