"""`SampleData`: data sets that modules register for the user to load."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any


@dataclass
class SampleDataSource:
    """A data set, under the names that Slicer gives to its parts."""

    category: str
    sampleName: str | None
    uris: Any = None
    fileNames: Any = None
    nodeNames: Any = None
    customDownloader: Callable[[SampleDataSource], Any] | None = None
    thumbnailFileName: str | None = None
    loadFileType: Any = None
    loadFiles: Any = None
    loadFileProperties: dict[str, Any] = field(default_factory=dict)
    checksums: Any = None


class SampleData:
    """Records what is registered; `load` is what a click on the data set does, without any download of its own."""

    def __init__(self, version: tuple[int, int]):
        self.sources: list[SampleDataSource] = []
        self.categories: list[str] = []
        self._has_categories = version >= (5, 12)

    def load(self, sample_name: str) -> Any:
        """Call a data set's own downloader; returns what that returns."""
        source = next(source for source in self.sources if source.sampleName == sample_name)
        if source.customDownloader is None:
            raise RuntimeError(f"a test downloads nothing: {source.uris}")
        return source.customDownloader(source)

    def module(self) -> ModuleType:
        recorded = self

        class SampleDataLogic:
            """Registration only."""

            @staticmethod
            def registerCustomSampleDataSource(category="Custom", sampleName=None, **parts):
                recorded.sources.append(SampleDataSource(category, sampleName, **parts))

            def downloadSample(self, sampleName):
                return recorded.load(sampleName)

        def registerCustomSampleDataCategory(category, **_parts):
            recorded.categories.append(category)

        if self._has_categories:
            SampleDataLogic.registerCustomSampleDataCategory = staticmethod(registerCustomSampleDataCategory)
        module = ModuleType("SampleData", "Data sets to try a module with.")
        module.SampleDataLogic = SampleDataLogic
        return module
