"""Arguments of `models`."""

from __future__ import annotations

import argparse
from typing import Any

from .common import add_running_options, path


def add_models(commands: Any) -> list[argparse.ArgumentParser]:
    """The parsers of its actions."""
    models = commands.add_parser("models", help="the models at hand, and more of them")
    actions = models.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = actions.add_parser("list", help="the models at hand")
    info = actions.add_parser("info", help="what a model is")
    info.add_argument("model", metavar="NAME|DIR")
    fetch = actions.add_parser("fetch", help="download the weights that the authors published in 2017")
    fetch.add_argument("name", metavar="NAME", nargs="?", choices=("grt123",), default="grt123", help="grt123")
    fetch.add_argument(
        "--from", dest="source", metavar="URL|FOLDER", help="where detector.ckpt and classifier.ckpt are instead"
    )
    add_running_options(fetch)
    imported = actions.add_parser("import", help="make a model of the two files published in 2017")
    imported.add_argument("detector", metavar="DETECTOR", type=path, help="detector.ckpt")
    imported.add_argument("classifier", metavar="CLASSIFIER", type=path, help="classifier.ckpt")
    imported.add_argument("--name", default="grt123", help="of the new model (default grt123)")
    imported.add_argument("--accept-unknown", action="store_true", help="also take files that are not the published")
    imported.add_argument(
        "--outcome", choices=("clinical", "synthetic", "none"), help="what unknown files were trained on (default none)"
    )
    add_running_options(imported)
    remove = actions.add_parser("remove", help="remove one of your own models")
    remove.add_argument("name", metavar="NAME")
    return [listed, info, fetch, imported, remove]
