"""Where the time goes: stages, operations and memory of a case, beside what the machine can do."""

from .report import Benchmark, benchmark

__all__ = ["Benchmark", "benchmark"]
