"""The entry for the Extensions Index and the extension's description follow the index's rules and agree."""

import json
import re

import pytest

from Testing.Extension.source_tree import ROOT, cmake_texts, homepage

ENTRY = json.loads((ROOT / "LungCancerDx.json").read_text(encoding="utf-8"))
LISTS = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
DESCRIPTION = cmake_texts(ROOT / "CMakeLists.txt")
SCHEMA = (
    "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/slicer-extension-catalog-entry-schema-v1.0.2.json#"
)
REQUIRED = {"$schema", "category", "scm_url"}
ALLOWED = REQUIRED | {
    "scm_revision",
    "scm_type",
    "build_dependencies",
    "build_subdirectory",
    "enabled",
    "tier",
    "dicom_support_rule",
}
PICTURES = [DESCRIPTION["EXTENSION_ICONURL"], *DESCRIPTION["EXTENSION_SCREENSHOTURLS"].split()]


def test_the_entry_is_named_like_the_project_and_not_slicer_something():
    (project,) = re.findall(r"^project\((\w+)\)$", LISTS, re.MULTILINE)
    assert (ROOT / f"{project}.json").is_file()
    assert not project.startswith("Slicer")


def test_the_entry_has_the_keys_of_the_schema_and_no_others():
    assert ENTRY["$schema"] == SCHEMA
    assert REQUIRED <= set(ENTRY) <= ALLOWED


def test_the_values_of_the_entry():
    assert ENTRY["build_subdirectory"] == "."
    assert ENTRY["dicom_support_rule"] == "Modality == 'CT'"
    assert ENTRY["tier"] in (1, 3, 5)
    assert ENTRY["category"]


def test_the_entry_and_the_description_name_the_same_extensions_to_build_on():
    assert ENTRY["build_dependencies"] == DESCRIPTION["EXTENSION_DEPENDS"].split() == ["PyTorch"]


@pytest.mark.parametrize("name", ["HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS"])
def test_the_description_is_complete_and_spelt_out(name):
    """The index reads the lines as text, so none may hold a variable."""
    assert DESCRIPTION[f"EXTENSION_{name}"].strip()
    assert "$" not in DESCRIPTION[f"EXTENSION_{name}"]


@pytest.mark.parametrize("address", PICTURES)
def test_pictures_are_raw_addresses_of_files_in_the_repository(address):
    raw = homepage().replace("https://github.com/", "https://raw.githubusercontent.com/") + f"/{ENTRY['scm_revision']}/"
    assert address.startswith(raw)
    assert address.endswith((".png", ".jpeg", ".jpg", ".gif"))
    assert (ROOT / address.removeprefix(raw)).is_file()


def test_the_entry_points_to_the_homepage():
    assert ENTRY["scm_url"] == homepage()


def test_every_mention_of_the_projects_address_agrees_with_the_homepage():
    owner_and_name = homepage().removeprefix("https://github.com/")
    pattern = re.compile(r"(?:github\.com|githubusercontent\.com|github\.io)[/:]([\w.-]+/(?:Slicer)?LungCancerDx)\b")
    mentions = {
        (path.relative_to(ROOT).as_posix(), mention)
        for path in [*ROOT.glob("*.*"), *ROOT.glob("docs/*.md"), *ROOT.glob("LungCancerDx*/**/*.*")]
        if path.suffix in (".md", ".toml", ".cff", ".json", ".txt", ".py", ".ui")
        for mention in pattern.findall(path.read_text(encoding="utf-8"))
    }
    assert ("LungCancerDx.json", owner_and_name) in mentions
    assert {mention for _, mention in mentions} == {owner_and_name}, mentions


def test_the_cmake_versions_cover_slicer_5_10_and_5_12():
    """Their templates ask for 3.20.6...3.22.6 and 3.28.0."""
    (versions,) = re.findall(r"^cmake_minimum_required\(VERSION ([\d.]+)\.\.\.([\d.]+)\)$", LISTS, re.MULTILINE)
    oldest, newest = (tuple(int(part) for part in version.split(".")) for version in versions)
    assert oldest <= (3, 20, 6)
    assert newest >= (3, 28, 0)
