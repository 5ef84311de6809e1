"""LungCancerDx: lung-cancer CT analysis after Liao et al., the 3D deep leaky noisy-or network."""

from __future__ import annotations

__version__ = "0.1.0"
