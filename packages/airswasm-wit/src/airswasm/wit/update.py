"""Write the files that are made from `wit/` again, after a change of it.

    python -m airswasm.wit.update

For developers of airswasm: it writes `contract.json`, `bindings/c/airswasm_types.h` and
`bindings/javascript/contract.d.ts`. With `--rust` it also writes what the crate
`airswasm-component` has generated, for which it runs cargo with the crates of wit-bindgen; that
takes some minutes the first time. `contract.sha256` beside it says which WIT it was made of.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ._component_types import c_types_header
from ._contract import (
    PARSED,
    c_header_folder,
    contract,
    guest_folder,
    rust_crate_folder,
    wit_folder,
)
from ._reading import describe_wit
from ._typescript import typescript_declarations
from .errors import WitError

__all__ = (
    "RUST_GENERATED",
    "generated_files",
    "main",
    "parsed_contract",
    "wit_digest",
    "write_rust",
)

RUST_GENERATED = rust_crate_folder() / "src" / "generated"


def parsed_contract() -> str:
    """Make the text of `contract.json`."""
    described: object = json.loads(describe_wit(wit_folder()))
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"


def generated_files() -> dict[Path, str]:
    """Make the content of every file that comes from `wit/`."""
    return {
        PARSED: parsed_contract(),
        c_header_folder() / "airswasm_types.h": c_types_header(),
        guest_folder("javascript") / "contract.d.ts": typescript_declarations(contract()),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m airswasm.wit.update", description=__doc__)
    parser.add_argument("--rust", action="store_true", help="also the crate's bindings, by cargo")
    is_rust_wanted = parser.parse_args(arguments).rust
    try:
        PARSED.write_text(parsed_contract(), "utf-8")
        contract.cache_clear()  # the header is made of what was written just now
        written = generated_files()
    except WitError as error:
        print(error, file=sys.stderr)
        return 1
    for path, text in written.items():
        path.write_text(text, "utf-8")
    return write_rust() if is_rust_wanted else 0


def write_rust() -> int:
    """Generate the bindings of the Rust crate, and return cargo's exit code."""
    tool = Path(__file__).parents[3] / "bindings-rust"
    command = ["cargo", "run", "--release", "--", str(wit_folder()), str(RUST_GENERATED)]
    ended = subprocess.run(command, cwd=tool, check=False).returncode
    if ended == 0:
        (RUST_GENERATED / "contract.sha256").write_text(wit_digest() + "\n", "utf-8")
    return ended


def wit_digest() -> str:
    """Return the digest of the contract's WIT, comments included: they become documentation."""
    digest = hashlib.sha256()
    for path in sorted(wit_folder().glob("*.wit")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    raise SystemExit(main())
