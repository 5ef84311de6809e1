"""Proposal -> crop -> masks on the CT's own grid -> measurements; lungs as a person would draw them."""
