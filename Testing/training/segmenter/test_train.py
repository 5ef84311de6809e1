"""A run of the segmenter goes on with what it was begun with alone, and says what of its data it has no use for."""

import argparse
import json
from functools import partial

import numpy as np
import pytest
import torch

from LungCancerDxLib.cli.train import add_train
from LungCancerDxLib.datasets.nodule_bank import read_nodule_bank
from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.io.image_file import write_volume
from LungCancerDxLib.models.segmenter import SEGMENTER_FILE, load_segmenter
from LungCancerDxLib.runtime.interruption import Stop
from LungCancerDxLib.training.engine.run_folder import VALIDATION_FILE, read_log
from LungCancerDxLib.training.segmenter import train
from LungCancerDxLib.training.segmenter.recipe import SegmenterRecipe
from LungCancerDxLib.volume import CTVolume
from Testing.real_nodules import write_bank
from Testing.training.segmenter.test_items import background_of
from Testing.training.tiny import quiet


@pytest.fixture
def scan(monkeypatch):
    """A scan whose lungs need not be found, and no steps."""
    monkeypatch.setattr(train.Background, "of", lambda volume, regions: background_of(tuple(regions)))
    monkeypatch.setattr(train, "train", lambda task, run, options: options.open(run.folder, run.config))
    return background_of().volume


def test_a_run_goes_on_with_the_same_scans_regions_and_nodules_alone(scan, tmp_path):
    write_bank(tmp_path)
    bank, region = read_nodule_bank(tmp_path), {"one": np.array([[0.0, 0.0, 0.0, 20.0]])}

    def run(scans=None, regions=region, nodules=bank, resume=True):
        how = {"exclusion_regions": regions, "recipe": SegmenterRecipe(steps=1)}
        train.train_segmenter(scans or {"one": scan}, nodules, tmp_path / "run", quiet(resume=resume), **how)

    run(resume=False)
    run()
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["nodules"] == [nodule.id for nodule in bank]
    assert config["exclusion_regions"] == {"one": [[0, 0, 0, 20]]}
    brighter = CTVolume(scan.voxels + np.int16(1), scan.kji_to_lps)
    with pytest.raises(UsageError, match="other settings"):
        run(scans={"one": brighter})
    with pytest.raises(UsageError, match="other settings"):
        run(regions={})
    with pytest.raises(UsageError, match="other settings"):
        run(nodules=bank[1:])


def test_backgrounds_of_one_name_are_refused_and_regions_of_none_are_told(scan, tmp_path, capsys):
    write_bank(tmp_path)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_volume(scan, tmp_path / folder / "ct.nrrd")
    regions = tmp_path / "away.csv"
    regions.write_text("id,x_lps_mm,y_lps_mm,z_lps_mm,radius_mm\nct,0,0,0,20\nanother,0,0,0,20\n")

    def run(*backgrounds):
        parser = argparse.ArgumentParser()
        add_train(parser.add_subparsers())
        options = ("--exclusion-regions", regions, "--bank", tmp_path, "--out", tmp_path / "run", "--steps", 1)
        given = parser.parse_args(list(map(str, ("train", "segmenter", "--backgrounds", *backgrounds, *options))))
        return given.run(given, Stop())

    with pytest.raises(UsageError, match="Two of the backgrounds have the same name"):
        run(tmp_path / "a" / "ct.nrrd", tmp_path / "b" / "ct.nrrd")
    run(tmp_path / "a" / "ct.nrrd")
    assert "Exclusion regions of no background: another" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_with_a_fold_leaves_weights_and_what_they_do_on_nodules_held_out(tmp_path, monkeypatch):
    monkeypatch.setattr(train.Background, "of", lambda volume, regions: background_of(tuple(regions)))
    monkeypatch.setattr(train, "held_out", partial(train.held_out, others=1))
    write_bank(tmp_path)
    scans, recipe = {name: background_of().volume for name in ("one", "two")}, SegmenterRecipe(steps=1, batch=1)
    bank, out = read_nodule_bank(tmp_path), tmp_path / "run"
    net = train.train_segmenter(scans, bank, out, quiet(), exclusion_regions={}, recipe=recipe, fold=1)
    kept = load_segmenter(out / SEGMENTER_FILE)
    for name, weight in net.state_dict().items():
        torch.testing.assert_close(kept.net.state_dict()[name], weight, rtol=1e-3, atol=1e-3)  # half precision
    assert "1 nodules of LIDC-IDRI" in kept.trained_on
    rows = (out / train.DICE_FILE).read_text().splitlines()
    assert rows[0] == "id,kind,dice"
    assert {"a-2,attached", "a-2,inserted", "c,cube"} <= {row.rpartition(",")[0] for row in rows}
    assert all(0 <= float(row.rpartition(",")[2]) <= 1 for row in rows[1:])
    assert [row["step"] for row in read_log(out / VALIDATION_FILE)] == ["0", "1"]
