# cython: language_level=3, freethreading_compatible=True
"""SciPy's BLAS entry points as one table for the C++ core, which links no BLAS of its own."""
from cpython.pycapsule cimport PyCapsule_New
from scipy.linalg cimport cython_blas


cdef extern from "pyblo/host/blas_table.hpp" namespace "pyblo":
    cdef cppclass BlasTable:
        void *sgemm
        void *dgemm


cdef BlasTable entries
entries.sgemm = <void*>cython_blas.sgemm
entries.dgemm = <void*>cython_blas.dgemm

table = PyCapsule_New(&entries, "pyblo.BlasTable", NULL)
