"""The project's sessions: build, test, gate, check, show.

`nox -s tests` is the one that a newcomer runs and CI calls: it builds each distribution as a wheel
and tests it from there, in an environment that holds the distribution, what it declares, and its
test group. `layer-N` is the gate of a layer: an empty session that requires the gate below it and,
of its own layer, the tests, the integration tests and the bench gates.

This file lists no distribution. `[tool.airswasm] layer` in each pyproject.toml says which layer a
block belongs to; `layer = "extra"` marks a distribution that is not a block (another storage
engine, a meta-package). The gate `extras` holds those, above layer 4. A distribution that maturin
builds is native: its wheel is built by the sessions that test it, where there is a cargo.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import nox
from nox.project import dependency_groups, load_toml

ROOT = Path(__file__).parent
PACKAGES = ROOT / "packages"
DIST = ROOT / "dist"
COMPILED = DIST / "compiled"
GATES = ROOT / ".ci"
INTEGRATION = ROOT / "tests-integration"
STRUCTURE_TESTS = ("test_architecture.py", "test_blocks.py", "test_errors.py", "test_gates.py")
ON_COMPILED = ("actor", "messaging", "lifecycle", "monitoring", "cli")
EXTRA = "extra"
#: The environment of tests: every process that reads it reports what it leaves open, and fails.
STRICT = {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error"}
#: pytest's exit code when it ran all tests and some failed.
FAILED = 1
#: The argument with which a gate stores what it measures instead of comparing.
WRITE = "--write"


def _projects() -> dict[str, dict[str, Any]]:
    """Return each distribution's pyproject.toml, by its short name, in build order."""
    found = {
        path.parent.name.removeprefix("airswasm-"): load_toml(path)
        for path in sorted(PACKAGES.glob("*/pyproject.toml"))
    }
    declared = {
        name: {
            match.group(1)
            for requirement in project["project"].get("dependencies", [])
            if (match := re.match(r"airswasm-([a-z-]+)", requirement))
        }
        for name, project in found.items()
    }
    order = [name for name in TopologicalSorter(declared).static_order() if name in found]
    layer_of = {name: str(found[name]["tool"]["airswasm"]["layer"]) for name in order}
    return {name: found[name] for name in sorted(order, key=lambda name: layer_of[name])}


PROJECTS = _projects()
LAYER_OF = {name: project["tool"]["airswasm"]["layer"] for name, project in PROJECTS.items()}
LAYERS = sorted({layer for layer in LAYER_OF.values() if layer != EXTRA})
BLOCKS = tuple(name for name, layer in LAYER_OF.items() if layer != EXTRA)
NATIVE = tuple(
    name for name, its in PROJECTS.items() if its["build-system"]["build-backend"] == "maturin"
)
PURE = tuple(name for name in PROJECTS if name not in NATIVE)
NATIVE_BUILD_SECONDS = 900


def of_layer(layer: int | str) -> tuple[str, ...]:
    """Return the distributions of a layer, in build order."""
    return tuple(name for name, its in LAYER_OF.items() if its == layer)


def up_to_layer(layer: int | str) -> tuple[str, ...]:
    """Return the distributions that may be installed where a layer is tested."""
    if layer == EXTRA:
        return tuple(PROJECTS)
    return tuple(name for name in BLOCKS if LAYER_OF[name] <= layer)


def each(names: tuple[str, ...], kind: str = "blocks") -> list[Any]:
    """Return a parameter for each distribution, tagged by its layer (`blocks-of-layer-1`)."""
    return [nox.param(name, id=name, tags=[f"{kind}-of-layer-{LAYER_OF[name]}"]) for name in names]


nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv"
nox.options.sessions = ["tests"]
nox.options.reuse_existing_virtualenvs = True


def folder_of(name: str) -> Path:
    """Return the folder of a distribution."""
    return PACKAGES / distribution(name)


def distribution(name: str) -> str:
    """Return the name on PyPI; the meta-package `airswasm` has no suffix."""
    return name if name == "airswasm" else f"airswasm-{name}"


def group(name: str, group_name: str) -> list[str]:
    """Return the requirements of a dependency group; none when it has no such group."""
    if group_name not in PROJECTS[name].get("dependency-groups", {}):
        return []
    return list(dependency_groups(PROJECTS[name], group_name))


def root_group(name: str) -> list[str]:
    """Return the requirements of a dependency group of the workspace; none when it has none."""
    project = load_toml(ROOT / "pyproject.toml")
    if name not in project["dependency-groups"]:
        return []
    return list(dependency_groups(project, name))


def modules_of(name: str) -> list[str]:
    """Return the packages that a distribution adds to the namespace."""
    folders = sorted((folder_of(name) / "src" / "airswasm").glob("*/__init__.py"))
    return [f"airswasm.{path.parent.name}" for path in folders]


def install_wheels(
    session: nox.Session, *requirements: str, arguments: tuple[str, ...] = ()
) -> None:
    """Install the wheels just built, never an earlier build of the same version."""
    refresh = [part for name in PROJECTS for part in ("--reinstall-package", distribution(name))]
    session.install("--find-links", str(DIST), *refresh, *arguments, *requirements)


def run_tests(
    session: nox.Session,
    folder: Path,
    *arguments: str,
    launcher: tuple[str, ...] = (),
    success_codes: tuple[int, ...] = (0,),
) -> None:
    """Run pytest isolated from the source tree: what is imported is what was installed.

    Python's development mode and warnings as errors hold for the tests and for the processes that
    they start: a file left open and an exception that was dropped are failures. `-X dev` says so to
    pytest itself, which is isolated from the environment; its warnings are set in pyproject.toml.

    Two workers, whole files each: nearly all of the time is spent in child processes, and files
    keep their fixtures (a compiled guest) to themselves.
    """
    session.install("pytest-xdist>=3.6")
    arguments += tuple(argument for argument in session.posargs if argument != WRITE)
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "AIRSWASM_HOME": session.create_tmp()}
    session.run(
        "python", "-I", "-X", "dev", "-m", *launcher, "pytest", "-c", "pyproject.toml",
        "--rootdir", ".", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadfile",
        str(folder), *arguments, env=environment | STRICT, success_codes=success_codes,
    )  # fmt: skip


@nox.session
def build(session: nox.Session) -> None:
    """Build the sdist of each distribution and, from it, the wheel."""
    session.install("uv")
    shutil.rmtree(DIST, ignore_errors=True)
    session.run("uv", "build", "--all-packages", "--out-dir", str(DIST), "--quiet", external=True)


def build_native(session: nox.Session, name: str) -> None:
    """Build the wheel of a native distribution; skip the session where there is no cargo."""
    if name not in NATIVE:
        return
    if shutil.which("cargo") is None:
        session.skip(f"no cargo: {distribution(name)} is not tested")
    session.install("uv")
    command = [f"{session.bin}/uv", "build", "--wheel", "--quiet", "--out-dir", str(DIST)]
    subprocess.run([*command, str(folder_of(name))], check=True, timeout=NATIVE_BUILD_SECONDS)


@nox.session(requires=["build"])
@nox.parametrize("block", each(tuple(PROJECTS)))
def tests(session: nox.Session, block: str) -> None:
    """Test one distribution from its wheel."""
    build_native(session, block)
    install_wheels(session, distribution(block), *group(block, "test"))
    if not (folder_of(block) / "tests").is_dir():
        session.skip(f"{distribution(block)} has no tests: that it installs is the test")
    run_tests(session, folder_of(block) / "tests")


INTEGRATED = [layer for layer in LAYERS if (INTEGRATION / f"layer_{layer}").is_dir()]


@nox.session(requires=["build"])
@nox.parametrize(
    "layer",
    [
        nox.param(layer, id=f"layer-{layer}", tags=[f"integration-of-layer-{layer}"])
        for layer in INTEGRATED
    ],
)
def integration(session: nox.Session, layer: int) -> None:
    """Test the blocks of a layer together, with nothing of a higher layer installed."""
    allowed = up_to_layer(layer)
    own = f"integration-{layer}"
    groups = [*root_group("integration"), *root_group(own)]
    install_wheels(session, *map(distribution, allowed), *groups)
    refuse_others(session, allowed)
    whole = ("--dist", "worksteal", "--durations=10")
    run_tests(session, INTEGRATION / f"layer_{layer}", *whole)


def refuse_others(session: nox.Session, allowed: tuple[str, ...]) -> None:
    """Fail when the environment holds a distribution of ours that the layer may not need."""
    listing = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    output = session.run("python", "-I", "-c", listing, silent=True)
    ours = {name for name in str(output).split() if name.split("-")[0] == "airswasm"}
    if above := ours - set(map(distribution, allowed)):
        session.error(f"nothing of a higher layer may be installed: {', '.join(sorted(above))}")


BENCHED = tuple(name for name in PROJECTS if (folder_of(name) / "bench" / "budget.toml").exists())


@nox.session(name="bench-gate", requires=["build"])
@nox.parametrize("block", each(BENCHED, "bench"))
def bench_gate(session: nox.Session, block: str) -> None:
    """Compare the ratios that a block promises with those stored in its bench/budget.toml.

    `nox -s bench-gate -- --write` stores the ratios of this run.
    """
    install_wheels(session, distribution(block), *group(block, "bench-gate"))
    gate_script = str(GATES / "bench_gate.py")
    write = [WRITE] * (WRITE in session.posargs)  # other arguments are for the tests of a gate
    session.run("python", "-Es", gate_script, str(folder_of(block) / "bench"), *write)


def gate(layer: int | str, below: str) -> str:
    """Register a gate: the one below, then all that is checked of its own layer."""
    blocks = of_layer(layer)
    needed = [below, *(f"tests({block})" for block in blocks)]
    needed += [f"integration(layer-{layer})"] * (layer in INTEGRATED)
    needed += [f"bench-gate({block})" for block in blocks if block in BENCHED]
    name = "extras" if layer == EXTRA else f"layer-{layer}"

    @nox.session(name=name, requires=needed, venv_backend="none")
    def passed(session: nox.Session) -> None:
        session.log(f"{name} holds: {', '.join(blocks) or 'nothing yet'}")

    passed.__doc__ = f"Gate {name}: {', '.join(blocks) or 'nothing yet'}."
    return name


highest = "architecture"
for number in LAYERS:
    highest = gate(number, highest)
gate(EXTRA, highest)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and the English of sources and documents."""
    session.install(*root_group("lint"), "pytest")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("python", "-m", "pytest", "-q", str(INTEGRATION / "test_english.py"))


@nox.session(requires=["build"])
def types(session: nox.Session) -> None:
    """Check the types of each distribution, strictly, with mypy and pyright."""
    install_wheels(session, *map(distribution, PURE), *root_group("types"))
    modules = [module for name in PURE for module in modules_of(name)]
    session.run("mypy", *(part for module in modules for part in ("-p", module)))
    sources = (str(folder_of(name) / "src") for name in PURE)
    session.run("pyright", "--project", str(ROOT / "pyproject.toml"), *sources)


@nox.session(requires=["build"])
def architecture(session: nox.Session) -> None:
    """Check that nothing points up, and that blocks declare what they use and bring."""
    install_wheels(session, *map(distribution, BLOCKS), *root_group("architecture"))
    first, *others = (INTEGRATION / name for name in STRUCTURE_TESTS)
    run_tests(session, first, *map(str, others))


@nox.session(requires=["build"])
@nox.parametrize("block", [nox.param(name, id=name) for name in BLOCKS])
def coverage(session: nox.Session, block: str) -> None:
    """Measure the branch coverage of one wheel and compare it with the stored floor.

    `nox -s coverage -- --write` stores what it measures. Processes that the tests start are
    measured too; those that a test kills leave nothing behind. Generated tests run in their short
    form: more examples of the same cover the same branches, and tracing them takes long. Whether a
    test passes is for `tests` to say: some that interrupt a process do not bear being traced.
    """
    session.env.update(AIRSWASM_SEEDS="50", AIRSWASM_SMITH_SEEDS="20")
    install_wheels(session, distribution(block), *group(block, "test"), "coverage>=7.10")
    data = Path(session.create_tmp()).resolve() / "coverage"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir()
    session.env["COVERAGE_FILE"] = str(data / "measured")
    source = f"--source={','.join(modules_of(block))}"
    traced = ("coverage", "run", source, "-m")
    run_tests(session, folder_of(block) / "tests", launcher=traced, success_codes=(0, FAILED))
    report = data / "coverage.json"
    session.run("python", "-I", "-m", "coverage", "combine", "--quiet")
    session.run("python", "-I", "-m", "coverage", "json", "-o", str(report), "--quiet")
    totals = json.loads(report.read_text(encoding="utf-8"))["totals"]
    percent = 100 * totals["covered_branches"] / max(1, totals["num_branches"])
    hold_floor(session, block, percent)


COVERAGE = GATES / "coverage.toml"


def hold_floor(session: nox.Session, block: str, percent: float) -> None:
    """Fail when coverage fell below its floor; or store it as the floor."""
    stored = tomllib.loads(COVERAGE.read_text(encoding="utf-8"))
    floor, slack = stored["floors"].get(block), stored["slack"]
    session.log(f"airswasm-{block}: {percent:.1f} % of the branches are covered (floor {floor})")
    if WRITE in session.posargs:
        text = COVERAGE.read_text(encoding="utf-8")
        text = re.sub(rf"^{block} = .*$", f"{block} = {percent:.1f}", text, flags=re.MULTILINE)
        COVERAGE.write_text(text, encoding="utf-8")
    elif floor is None:
        session.error(f"no floor is stored for airswasm-{block}: run with -- --write")
    elif percent < floor - slack:
        session.error(f"{percent:.1f} % is less than {floor} - {slack}: add tests for what is new")


@nox.session
def changelog(session: nox.Session) -> None:
    """Show what the next release of each package will say, from its news fragments.

    `nox -s changelog -- actor` writes it into the changelog of airswasm-actor, under the version
    of its pyproject.toml, and removes the fragments.
    """
    session.install("towncrier>=24.8")
    for name in session.posargs or PROJECTS:
        folder = folder_of(name)
        if not list((folder / "changes").glob("[!.]*")):
            session.log(f"{distribution(name)}: no news")
            continue
        version = PROJECTS[name]["project"]["version"]
        how = "--yes" if session.posargs else "--draft"
        session.run(
            "towncrier", "build", how, "--config", str(ROOT / "towncrier.toml"),
            "--dir", str(folder), "--name", distribution(name), "--version", version,
        )  # fmt: skip


@nox.session(name="compile", requires=["build"])
def compile_actor(session: nox.Session) -> None:
    """Build the compiled wheel of the actor block from its sdist; needs a C compiler."""
    session.install("uv")
    shutil.rmtree(COMPILED, ignore_errors=True)
    (source,) = DIST.glob("airswasm_actor-*.tar.gz")
    session.run(
        "uv", "build", str(source), "--wheel", "--out-dir", str(COMPILED), "--quiet",
        "--python", session.virtualenv.location, env={"HATCH_BUILD_HOOK_ENABLE_MYPYC": "1"},
    )  # fmt: skip


@nox.session(requires=["compile"])
@nox.parametrize("block", [nox.param(block, id=block) for block in ON_COMPILED])
def compiled(session: nox.Session, block: str) -> None:
    """Test the actor block, or one that is built on it, with the compiled wheel."""
    (wheel,) = COMPILED.glob("*.whl")
    install_wheels(session, str(wheel), distribution(block), *group(block, "test"))
    session.run("python", "-I", "-c", "import airswasm.actor as a; assert a.is_compiled()")
    run_tests(session, folder_of(block) / "tests")


@nox.session(requires=["build"])
@nox.parametrize("block", [nox.param(name, id=name) for name in PURE])
def floors(session: nox.Session, block: str) -> None:
    """Test one distribution with the lowest versions that it claims to work with."""
    lowest = ("--resolution=lowest-direct",)
    install_wheels(session, distribution(block), *group(block, "test"), arguments=lowest)
    run_tests(session, folder_of(block) / "tests")


@nox.session(requires=["build"])
def wheels(session: nox.Session) -> None:
    """Check what is in the wheels and what they say of themselves."""
    session.install("twine", "pytest")
    archives = sorted(str(path) for path in DIST.glob("*.whl"))
    session.run("twine", "check", "--strict", *archives)
    run_tests(session, INTEGRATION / "test_wheels.py")


@nox.session(requires=["build"])
def examples(session: nox.Session) -> None:
    """Install each example package beside the wheels, as a stranger's, and go its way."""
    for folder in sorted((ROOT / "docs" / "examples").glob("*/pyproject.toml")):
        wheel = Path(session.create_tmp()).resolve()
        session.run("uv", "build", "--wheel", "--out-dir", str(wheel), "--quiet",
                    str(folder.parent), external=True)  # fmt: skip
        (built,) = wheel.glob("*.whl")
        install_wheels(session, str(built), *map(distribution, BLOCKS), *root_group("demo"))
        session.install("pytest")
        run_tests(session, folder.parent / "tests")
        built.unlink()


@nox.session(requires=["build"])
def soak(session: nox.Session) -> None:
    """Run 50 hostile and 50 honest components for an hour; `-- --minutes 5` for less."""
    install_wheels(session, "airswasm-lifecycle")
    session.run("python", str(folder_of("lifecycle") / "bench" / "soak.py"), *session.posargs)


@nox.session(requires=["build"])
def kills(session: nox.Session) -> None:
    """Kill a host under load 200 times, and compare what was acknowledged with what was handled.

    Once with messages alone, and once while the component that handles them is updated. Then at
    every step of a change, with the data that has to go with the code. A home is backed up beside
    durable traffic, and each copy's books have to balance. Incarnations are asked for in every
    phase in which data changes hands. At last, random changes and power cuts beside a model of the
    home.
    """
    install_wheels(session, distribution("messaging"), *group("messaging", "test"))
    install_wheels(session, distribution("lifecycle"), *group("lifecycle", "test"))
    session.env["AIRSWASM_KILLS"] = "200"
    run_tests(session, folder_of("messaging") / "tests" / "test_durable_kills.py")
    run_tests(session, folder_of("lifecycle") / "tests" / "test_update_kills.py")
    run_tests(session, folder_of("lifecycle") / "tests" / "test_backup_kills.py")
    run_tests(session, folder_of("lifecycle") / "tests" / "test_crash.py")
    session.env["AIRSWASM_TURNS"] = "all"
    run_tests(session, folder_of("lifecycle") / "tests" / "test_turns.py")
    session.env["AIRSWASM_MODEL_RUNS"] = "60"
    run_tests(session, folder_of("lifecycle") / "tests" / "test_model.py")


@nox.session(requires=["build"])
def languages(session: nox.Session) -> None:
    """Build every template, run its own tests, and follow the tutorials, in all languages."""
    install_wheels(session, distribution("sdk"), *group("sdk", "test"))
    session.env["AIRSWASM_LANGUAGES"] = "all"
    run_tests(session, folder_of("sdk") / "tests" / "test_tutorials.py")
    run_tests(session, folder_of("sdk") / "tests" / "test_template.py")


@nox.session(requires=["build"])
def demo(session: nox.Session) -> None:
    """Show the whole way, from a key to a running actor that is updated and rolled back."""
    install_wheels(session, "airswasm-cli", "airswasm-osl", *root_group("demo"))
    session.run("python", str(INTEGRATION / "demo.py"), *session.posargs, env=STRICT)


@nox.session(requires=["build"])
@nox.parametrize("block", [nox.param(name, id=name) for name in PROJECTS])
def bench(session: nox.Session, block: str) -> None:
    """Run the long benchmarks of one block; they print ratios measured in the one run."""
    scripts = sorted((folder_of(block) / "bench").glob("[!_]*.py"))
    scripts = [script for script in scripts if script.name != "promises.py"]
    if not scripts:
        session.skip(f"{distribution(block)} has no benchmarks beside its gate")
    build_native(session, block)
    install_wheels(session, distribution(block), *group(block, "bench"))
    for script in scripts:
        session.run("python", "-Es", str(script), *session.posargs)


if sys.platform == "win32":
    os.environ.setdefault("PYTHONUTF8", "1")
