"""The nodules in the panel: a row each, a tick where it counts, and which one is selected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from ...case import CaseResult, Nodule
from ...names import figure_text

COLUMNS = ("Counts", "Score", "Diameter", "Type", "Position", "Share", "Volume", "Confidence")
_TICK, _DIAMETER, _ON_DEMAND = 0, 2, range(5, 8)
_ROW_PIXELS = 24
_NO_OVERRULE = "This model scores the case as a whole; its nodules cannot be ticked."
_NOT_OUTLINED = "Not outlined: the diameter of the detector's box."


class NoduleView:
    """Writes nodules into the panel's table and reports what the user does there.

    Parameters
    ----------
    on_selected
        Called with the rank of the nodule that the user goes to.
    on_ticked
        Called with a rank and whether it shall count.
    """

    def __init__(self, ui: Any, on_selected: Callable[[int], None], on_ticked: Callable[[int, bool], None]) -> None:
        self._ui = ui
        self._on_selected = on_selected
        self._on_ticked = on_ticked
        self._ranks: list[int] = []
        self._also: set[int] = set()
        self._shown: tuple[CaseResult | None, float, bool] = None, 0.0, True
        self._writing = False
        table = ui.noduleTable
        table.setColumnCount(len(COLUMNS))
        table.setHorizontalHeaderLabels(list(COLUMNS))
        table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        table.setSelectionMode(qt.QAbstractItemView.SingleSelection)
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.horizontalHeader().setStretchLastSection(True)
        table.verticalHeader().setDefaultSectionSize(_ROW_PIXELS)
        table.itemSelectionChanged.connect(self._selection_changed)
        table.itemChanged.connect(self._item_changed)
        table.cellClicked.connect(self._clicked)
        ui.allColumnsCheckBox.toggled.connect(self._show_columns)
        self._show_columns()
        ui.previousButton.clicked.connect(lambda: self.step(-1))
        ui.nextButton.clicked.connect(lambda: self.step(1))

    @property
    def selected_rank(self) -> int | None:
        """The nodule of the selected row."""
        row = self._ui.noduleTable.currentRow()
        return self._ranks[row] if 0 <= row < len(self._ranks) else None

    def show(self, result: CaseResult | None, at_least: float, can_overrule: bool = True) -> None:
        """List what is classified, what the user set or went to, and the runners-up of at least this confidence."""
        before, self._shown = self.selected_rank, (result, at_least, can_overrule)
        nodules = () if result is None else result.nodules
        listed = [n for n in nodules if _is_listed(n, at_least) or n.rank in self._also]
        self._writing = True
        table = self._ui.noduleTable
        self._ranks = [nodule.rank for nodule in listed]
        table.setRowCount(len(listed))
        score = "" if result is None else result.short_nodule_score_name.capitalize()
        table.setHorizontalHeaderLabels([score or COLUMNS[1] if name == COLUMNS[1] else name for name in COLUMNS])
        table.setVerticalHeaderLabels([str(rank) for rank in self._ranks])
        for row, nodule in enumerate(listed):
            table.setItem(row, _TICK, _tick(nodule, can_overrule))
            for column, text in enumerate(row_texts(nodule), start=1):
                table.setItem(row, column, qt.QTableWidgetItem(text))
            if nodule.is_box:
                table.item(row, _DIAMETER).setToolTip(_NOT_OUTLINED)
        table.resizeColumnsToContents()
        self._writing = False
        for button in (self._ui.previousButton, self._ui.nextButton):
            button.enabled = bool(listed)
        if before in self._ranks:
            self._mark(before)
        else:
            self._deselect()

    def forget(self) -> None:
        """Select no nodule, and list none that the user went to, as before a case of another CT is shown."""
        self._also.clear()
        self._deselect()

    def _deselect(self) -> None:
        self._writing = True
        self._ui.noduleTable.setCurrentCell(-1, -1)
        self._writing = False

    def select(self, rank: int) -> None:
        """Go to a nodule of the case, even if it is selected already; one that is not listed will be."""
        if rank not in self._ranks:
            self._also.add(rank)
            self.show(*self._shown)
        self._mark(rank)
        self._on_selected(rank)

    def _mark(self, rank: int) -> None:
        self._writing = True
        self._ui.noduleTable.selectRow(self._ranks.index(rank))
        self._writing = False

    def step(self, by: int) -> None:
        """Go to the next or an earlier row, round the ends."""
        if self._ranks:
            row = self._ui.noduleTable.currentRow()
            start = row if row >= 0 else (-1 if by > 0 else 0)
            self.select(self._ranks[(start + by) % len(self._ranks)])

    def _show_columns(self, *_toggled: object) -> None:
        for column in _ON_DEMAND:
            self._ui.noduleTable.setColumnHidden(column, not self._ui.allColumnsCheckBox.checked)

    def _selection_changed(self) -> None:
        rank = self.selected_rank
        if not self._writing and rank is not None:
            self._on_selected(rank)

    def _clicked(self, row: int, _column: int) -> None:
        """Also on the selected row: the user may have moved the views since."""
        self._on_selected(self._ranks[row])

    def _item_changed(self, item: qt.QTableWidgetItem) -> None:
        if not self._writing and item.column() == _TICK:
            self._on_ticked(self._ranks[item.row()], item.checkState() == qt.Qt.Checked)


def row_texts(nodule: Nodule) -> list[str]:
    """What a row says of a nodule, empty where a figure is not known."""
    return [
        figure_text(nodule.malignancy, ".3f"),
        ("≈ " if nodule.is_box else "") + figure_text(nodule.diameter_mm, ".1f", " mm"),
        nodule.type or "",
        ", ".join(filter(None, [nodule.lung.removesuffix(" lung"), nodule.third and f"{nodule.third} third"])),
        figure_text(None if nodule.contribution is None else 100 * nodule.contribution, ".0f", " %"),
        figure_text(nodule.volume_mm3, ".0f", " mm³"),
        "your point" if _is_users(nodule) else figure_text(nodule.confidence, ".2f"),
    ]


def _tick(nodule: Nodule, can_overrule: bool) -> qt.QTableWidgetItem:
    item = qt.QTableWidgetItem("")
    item.setCheckState(qt.Qt.Checked if nodule.scored else qt.Qt.Unchecked)
    flags = qt.Qt.ItemIsSelectable | qt.Qt.ItemIsEnabled
    item.setFlags(flags | qt.Qt.ItemIsUserCheckable if can_overrule else flags)
    if not can_overrule:
        item.setToolTip(_NO_OVERRULE)
    elif nodule.malignancy is None:
        item.setToolTip("Tick to have it classified first.")
    return item


def _is_listed(nodule: Nodule, at_least: float) -> bool:
    """What counts, and what is classified, so that what was unticked can be ticked again."""
    return nodule.is_reported or nodule.malignancy is not None or (nodule.confidence or 0.0) >= at_least


def _is_users(nodule: Nodule) -> bool:
    return nodule.source == "user"
