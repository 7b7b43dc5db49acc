"""What every emitted CUDA text begins with."""

PRELUDE = """\
#define INFINITE __int_as_float(0x7f800000)
#define NOT_A_NUMBER __int_as_float(0x7fffffff)

// A NaN among the two wins, as in NumPy.
template <class T> __device__ T largest(T a, T b) { return a >= b || a != a ? a : b; }
template <class T> __device__ T smallest(T a, T b) { return a <= b || a != a ? a : b; }
"""
