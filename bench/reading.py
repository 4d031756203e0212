"""Merely reading an array: a contestant that no one-pass product can beat."""
import ctypes
import functools

import settings
from compiled import program
from machine import instruction_sets
from measure import Entry

__all__ = ["entries"]


@functools.cache
def library():
    """Return the library for the widest instruction set."""
    loaded = ctypes.CDLL(str(program("reading.cpp", instruction_sets()[-1][1], "-shared", "-fPIC")))
    loaded.read_seconds.argtypes, loaded.read_seconds.restype = (ctypes.c_void_p, ctypes.c_long, ctypes.c_int), ctypes.c_double
    return loaded


def entries(array):
    """Return the one Entry: all threads read a contiguous array once; the time is that of the reading alone."""
    read, threads = library().read_seconds, settings.threads()
    return [Entry(lambda: read(array.ctypes.data, array.nbytes, threads), timed=True)]
