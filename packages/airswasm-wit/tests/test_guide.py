"""The examples of the guide and the README, run as they stand there."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from airswasm.wit import (
    BLOCK_GROUP,
    Block,
    Blocks,
    _naming,
    _proxy_names,
    c_header_folder,
    check_component,
    contract,
    names,
    parse_requirements,
    read_wit,
    read_wit_text,
    wit_folder,
)
from airswasm.wit._tool import run_wasm_tools
from airswasm.wit.annotations import find_annotation_problems
from airswasm.wit.model import Enum

CHECKOUT = Path(__file__).parents[3]
GUIDE = CHECKOUT / "docs" / "wit" / "guide.md"
LOGGING, STORAGE = "airswasm:component/logging@0.1.0", "airswasm:component/storage@0.1.0"
README = Path(__file__).parents[1] / "README.md"

pytestmark = pytest.mark.skipif(
    not (GUIDE.exists() and README.exists()),
    reason="only in a checkout: docs are not in the package",
)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def test_the_world_can_be_read_beside_the_contract(tmp_path: Path) -> None:
    """The layout that the guide gives is the one that works."""
    deps = tmp_path / "wit" / "deps" / "airswasm-component"
    shutil.copytree(wit_folder(), deps)
    world, *_ = blocks(GUIDE, "wit")
    (tmp_path / "wit" / "world.wit").write_text(world)
    orders = read_wit(tmp_path / "wit").main.worlds["orders"]
    assert list(orders.exports) == [names.GUEST_HANDLER]
    assert set(orders.imports) == {LOGGING, STORAGE}


def test_the_c_component_builds_as_shown_and_fits(tmp_path: Path) -> None:
    """The source and the options are those of the page."""
    pytest.importorskip("ziglang", reason="no C compiler for wasm: pip install ziglang")
    (tmp_path / "counter.c").write_text(blocks(GUIDE, "c")[0])
    shown = next(text for text in blocks(GUIDE, "sh") if "ziglang cc" in text)
    compiling = shown.replace("\\\n", " ").replace("$HEADERS", str(c_header_folder()))
    line = next(line for line in compiling.split("\n") if "ziglang cc" in line)
    command = [word.strip('"') for word in line.split()]
    subprocess.run([sys.executable, *command[1:]], cwd=tmp_path, check=True, timeout=120)
    core, component = tmp_path / "counter.core.wasm", tmp_path / "counter.wasm"
    assert run_wasm_tools(["component", "new", str(core), "-o", str(component)]).exit_code == 0
    report = check_component(component, offered=contract().host_interfaces)
    report.raise_for_problems()
    assert report.imports == (STORAGE,)
    assert component.stat().st_size < 8000


def test_the_annotations_are_well_formed() -> None:
    """The examples of @requires on the page can be parsed and enforced."""
    example = next(text for text in blocks(GUIDE, "wit") if "@requires" in text)
    comments = [re.sub(r"^/// ?", "", part, flags=re.MULTILINE) for part in example.split("\n\n")]
    docs = [re.sub(r"^\w.*func\(.*$", "", part, flags=re.MULTILINE) for part in comments]
    assert [str(parse_requirements(part)) is not None for part in docs] == [True] * 3
    stand_ins = "variant write-error { a } variant os-error { a }"
    text = f"package a:b;\ninterface i {{ {stand_ins}\n{example}\n}}\nworld w {{ import i; }}"
    assert find_annotation_problems(read_wit_text(text).main) == ()


def test_the_names_of_the_guide_are_those_that_the_proxy_takes() -> None:
    """Each row of the table of forms is what the rule tries, in that order."""
    page = GUIDE.read_text("utf-8")
    rows = re.findall(r"^\| [a-z ]+ `([^`]+)`(?:,[^|]*| of[^|]*)? \| (.*) \|$", page, re.MULTILINE)
    shown = {thing: re.findall("`([^`]+)`", forms) for thing, forms in rows if "`, `" in forms}
    orders = "acme:shop/orders@1.0.0"
    assert shown["sum"] == _naming._function_forms("sum")
    assert shown["cursor.seek"] == _naming._function_forms("[method]cursor.seek")
    assert shown["cursor"] == _naming._function_forms("[constructor]cursor")
    assert shown[orders] == _naming._interface_forms(orders)
    entry = Enum("entry", (), orders)
    assert shown["entry"] == [name for (name,) in _proxy_names._type_forms(entry)]


def test_the_python_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Each Python block of the README, one after the other in one program."""
    for source in blocks(README, "python"):
        exec(compile(source, str(README), "exec"), {"__name__": "readme"})
    assert "storage:write(key)" in capsys.readouterr().out


def test_the_declaration_of_the_guide_is_one() -> None:
    """The block that the page shows can be pasted, and its interface is the page's."""
    (source,) = (text for text in blocks(GUIDE, "python") if "BLOCK = Block(" in text)
    made: dict[str, object] = {}
    exec(compile(source, str(GUIDE), "exec"), made)
    block = made["BLOCK"]
    assert isinstance(block, Block)
    assert Blocks.of(block).problems == ()
    (entry,) = (text for text in blocks(GUIDE, "toml") if BLOCK_GROUP in text)
    assert tomllib.loads(entry)["project"]["entry-points"] == {
        BLOCK_GROUP: {block.name: "acme_alarm:BLOCK"}
    }
