"""Synthetic chest CTs whose lungs and nodules are known exactly."""
