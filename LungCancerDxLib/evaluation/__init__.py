"""Section VI: how well nodules are found and cases are scored, from tables of predictions and of the truth."""
