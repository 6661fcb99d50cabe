"""The project's sessions: build, test, gate, check, show.

`nox -s tests` is the one that a newcomer runs and CI calls: every block is built as a wheel and
tested from it, in an environment that holds the block, what it declares, and its test group.
Dependencies between the blocks are read from their own pyproject files, so this file names no
order: `layer-N` is an empty session that requires the gate below it and the tests of its blocks.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nox
from nox.project import dependency_groups, load_toml

ROOT = Path(__file__).parent
DIST = ROOT / "dist"
COMPILED = DIST / "compiled"
STRUCTURE_TESTS = ("test_architecture.py", "test_wheels.py")
LAYERS: dict[int, tuple[str, ...]] = {
    1: ("runtime", "wit", "actor"),
    2: ("security", "messaging", "storage", "lifecycle"),
    3: ("osl", "monitoring"),
    4: ("sdk", "cli"),
}
BLOCKS = tuple(block for blocks in LAYERS.values() for block in blocks)
ON_COMPILED = ("actor", "messaging", "lifecycle", "monitoring", "cli")
EACH_BLOCK = [
    nox.param(block, id=block, tags=[f"blocks-of-layer-{layer}"])
    for layer, blocks in LAYERS.items()
    for block in blocks
]

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv"
nox.options.sessions = ["tests"]
nox.options.reuse_existing_virtualenvs = True


def package_folder(block: str) -> Path:
    """The folder of a block's distribution."""
    return ROOT / "packages" / f"airswasm-{block}"


def group(block: str, name: str) -> list[str]:
    """The requirements of a dependency group of a block; none when it has no such group."""
    project = load_toml(package_folder(block) / "pyproject.toml")
    if name not in project.get("dependency-groups", {}):
        return []
    return list(dependency_groups(project, name))


def root_group(name: str) -> list[str]:
    """The requirements of a dependency group of the workspace."""
    return list(dependency_groups(load_toml(ROOT / "pyproject.toml"), name))


def install_wheels(
    session: nox.Session, *requirements: str, arguments: tuple[str, ...] = ()
) -> None:
    """Installs the wheels just built, never an earlier build of the same version."""
    refresh = [part for block in BLOCKS for part in ("--reinstall-package", f"airswasm-{block}")]
    session.install("--find-links", str(DIST), *refresh, *arguments, *requirements)


def run_tests(session: nox.Session, folder: Path, *arguments: str) -> None:
    """Runs pytest isolated from the source tree: what is imported is what was installed.

    Two workers, whole files each: nearly all of the time is spent in child processes, and files
    keep their fixtures (a compiled guest) to themselves.
    """
    session.install("pytest-xdist>=3.6")
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "AIRSWASM_HOME": session.create_tmp()}
    session.run(
        "python", "-I", "-m", "pytest", "-c", "pyproject.toml", "--rootdir", ".",
        "-p", "no:cacheprovider", "-n", "2", "--dist", "loadfile",
        str(folder), *arguments, *session.posargs, env=environment,
    )  # fmt: skip


@nox.session
def build(session: nox.Session) -> None:
    """Builds the sdist of every block and, from it, the wheel."""
    session.install("uv")
    shutil.rmtree(DIST, ignore_errors=True)
    session.run("uv", "build", "--all-packages", "--out-dir", str(DIST), "--quiet", external=True)


@nox.session(requires=["build"])
@nox.parametrize("block", EACH_BLOCK)
def tests(session: nox.Session, block: str) -> None:
    """Tests one block from its wheel."""
    install_wheels(session, f"airswasm-{block}", *group(block, "test"))
    run_tests(session, package_folder(block) / "tests")


def gate(layer: int) -> None:
    """Registers `layer-N`: the gate below it, then the tests of its blocks."""
    below = [f"layer-{layer - 1}"] if layer > 1 else ["architecture"]
    needed = below + [f"tests({block})" for block in LAYERS[layer]]

    @nox.session(name=f"layer-{layer}", requires=needed, venv_backend="none")
    def passed(session: nox.Session) -> None:
        session.log(f"layer {layer} holds: {', '.join(LAYERS[layer])}")

    passed.__doc__ = f"The gate of layer {layer}: {', '.join(LAYERS[layer])}."


for number in LAYERS:
    gate(number)


@nox.session(requires=["build"])
def integration(session: nox.Session) -> None:
    """Tests all blocks together: the real command, a real host, real components."""
    install_wheels(session, *(f"airswasm-{block}" for block in BLOCKS), *root_group("integration"))
    structure = [f"--ignore={ROOT / 'tests-integration' / name}" for name in STRUCTURE_TESTS]
    whole = ROOT / "tests-integration"
    run_tests(session, whole, *structure, "--dist", "worksteal", "--durations=10")


@nox.session
def lint(session: nox.Session) -> None:
    """Checks style and formatting."""
    session.install(*root_group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(requires=["build"])
def types(session: nox.Session) -> None:
    """Checks the types of every block, strictly."""
    install_wheels(session, *(f"airswasm-{block}" for block in BLOCKS), *root_group("types"))
    packages = [part for block in BLOCKS for part in ("-p", f"airswasm.{block}")]
    session.run("mypy", *packages)


@nox.session(requires=["build"])
def architecture(session: nox.Session) -> None:
    """Checks that nothing points up, and that declared siblings are the used ones."""
    install_wheels(session, *(f"airswasm-{block}" for block in BLOCKS), *root_group("architecture"))
    run_tests(session, ROOT / "tests-integration" / STRUCTURE_TESTS[0])


@nox.session(name="compile", requires=["build"])
def compile_actor(session: nox.Session) -> None:
    """Builds the compiled wheel of the actor block from its sdist; needs a C compiler."""
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
    """Tests the actor block, or one that is built on it, with the compiled wheel."""
    (wheel,) = COMPILED.glob("*.whl")
    install_wheels(session, str(wheel), f"airswasm-{block}", *group(block, "test"))
    session.run("python", "-I", "-c", "import airswasm.actor as a; assert a.is_compiled()")
    run_tests(session, package_folder(block) / "tests")


@nox.session(requires=["build"])
@nox.parametrize("block", [nox.param(block, id=block) for block in BLOCKS])
def floors(session: nox.Session, block: str) -> None:
    """Tests one block with the lowest versions that it claims to work with."""
    install_wheels(
        session,
        f"airswasm-{block}",
        *group(block, "test"),
        arguments=("--resolution=lowest-direct",),
    )
    run_tests(session, package_folder(block) / "tests")


@nox.session(requires=["build"])
def wheels(session: nox.Session) -> None:
    """Checks what is in the wheels and what they say of themselves."""
    session.install("twine", "pytest")
    archives = sorted(str(path) for path in DIST.glob("*.whl"))
    session.run("twine", "check", "--strict", *archives)
    run_tests(session, ROOT / "tests-integration" / STRUCTURE_TESTS[1])


@nox.session(requires=["build"])
def demo(session: nox.Session) -> None:
    """Shows the whole way, from a key to a running actor that is updated and rolled back."""
    install_wheels(session, "airswasm-cli", "airswasm-osl", *root_group("demo"))
    session.run("python", str(ROOT / "tests-integration" / "demo.py"), *session.posargs)


@nox.session(requires=["build"])
@nox.parametrize("block", [nox.param(block, id=block) for block in BLOCKS])
def bench(session: nox.Session, block: str) -> None:
    """Runs the benchmarks of one block; they print ratios measured in the one run."""
    scripts = sorted((package_folder(block) / "bench").glob("[!_]*.py"))
    if not scripts:
        session.skip(f"airswasm-{block} has no benchmarks")
    install_wheels(session, f"airswasm-{block}", *group(block, "bench"))
    for script in scripts:
        session.run("python", "-Es", str(script), *session.posargs)


if sys.platform == "win32":
    os.environ.setdefault("PYTHONUTF8", "1")
