"""`slicer.i18n`: translation of texts. Here nothing is translated, as in an English Slicer."""

__all__ = ["tr", "translate"]


def translate(context: str, text: str) -> str:
    return text


def tr(text: str) -> str:
    return text
