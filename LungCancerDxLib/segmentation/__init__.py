"""Nodule masks on the CT's own grid, and what is measured in them.

For each proposal: patch -> lung region -> threshold -> leaks -> halo -> plausibility -> measurements
"""
