"""LungCancerDx: lung-cancer CT analysis after Liao et al., the 3D deep leaky noisy-or network."""

__version__ = "0.1.0"
