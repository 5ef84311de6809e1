"""What runs leave on the disk: the cache, within its limit and emptied by a button."""

import os

import pytest

from Testing.slicer.panel.conftest import MODULE, add_ct, cases, choose, coarse_slab, place_point, result_of, run, wait

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")


def fill(folder, **mb_by_name):
    """Entries of the cache, the first used longest ago."""
    folder.mkdir(parents=True)
    for n, (name, mb) in enumerate(mb_by_name.items()):
        with (folder / name).open("wb") as file:
            file.truncate(mb * 1_000_000)
        os.utime(folder / name, (1000 + n, 1000 + n))


def names(folder):
    return {path.name for path in folder.glob("*")}


def test_a_run_leaves_the_cache_within_its_limit_and_what_was_used_last_in_it(app, quick, ct, own_cache):
    fill(own_cache, oldest=900, older=1200, newest=600)
    choose(app, quick, ct)
    run(app, quick)
    assert names(own_cache) == {"older", "newest"}


def test_a_button_empties_the_cache_and_says_how_large_it_is(app, widget, ct, own_cache):
    assert not widget.ui.emptyCacheButton.enabled
    fill(own_cache, scan=300)
    choose(app, widget, ct)
    assert widget.ui.emptyCacheButton.text == "Empty the cache (0.3 GB)"
    widget.ui.emptyCacheButton.click()
    assert names(own_cache) == set()
    assert not widget.ui.emptyCacheButton.enabled


@pytest.mark.usefixtures("tiny_runs")
@pytest.mark.slow
def test_in_a_scene_that_was_saved_and_opened_again_the_scan_is_neither_preprocessed_nor_searched_again(
    start_app, own_cache, tmp_path
):
    app = start_app(main_window=True)
    widget = app.load_module(MODULE)
    choose(app, widget, add_ct(app, coarse_slab().volume))
    run(app, widget)
    kept = names(own_cache)
    assert len(kept) == 2
    app.save_scene(tmp_path / "case.mrb")
    app.close_scene()

    app.open_scene(tmp_path / "case.mrb")
    made = [path.stat().st_mtime_ns for path in sorted(own_cache.iterdir())]
    place_point(app, widget, (-60.0, 10.0, -30.0))
    wait(app, widget)
    assert app.displayed == []
    assert result_of(cases(app)[0]).nodules[-1].source == "user"
    assert names(own_cache) == kept
    used = [path.stat().st_mtime_ns for path in sorted(own_cache.iterdir())]
    assert all(later > earlier for later, earlier in zip(used, made, strict=True))
