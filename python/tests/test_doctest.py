"""The examples of the documentation, as they are printed."""

import doctest
import importlib
import pathlib
import pkgutil
import re

import genred
import pytest

MODULES = ["genred"] + [f"genred.{m.name}" for m in pkgutil.iter_modules(genred.__path__) if m.name != "_native"]


WITHOUT = ["genred.errors", "genred._terms"]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    module = importlib.import_module(name)
    failed, tried = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0
    assert tried > 0 or name in WITHOUT


@pytest.mark.parametrize("page", ["README.md", "../README.md"])
def test_pages(page):
    text = (pathlib.Path(__file__).parents[1] / page).read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), {})
