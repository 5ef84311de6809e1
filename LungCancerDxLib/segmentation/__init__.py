"""Nodule masks on the CT's own grid, what is measured in them, and lungs as a person would draw them.

proposal -> crop -> segmenter -> masks -> measurements; lungs and masks -> closed lungs -> side, third, pleura
"""
