"""Write the files that are made from `wit/` again, after a change of it.

    python -m airswasm.wit.update

For developers of airswasm: it writes `contract.json`, `bindings/c/airswasm_types.h`,
`bindings/javascript/contract.d.ts`, and the copy of the WIT that the Rust crate carries, so that
the crate can be copied into a project alone. (A link would do in git, but a wheel holds only one of
two links to the same folder.)
"""

from __future__ import annotations

import argparse
import json
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

__all__ = ("generated_files", "main", "parsed_contract")


def parsed_contract() -> str:
    """Make the text of `contract.json`."""
    described: object = json.loads(describe_wit(wit_folder()))
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"


def generated_files() -> dict[Path, str]:
    """Make the content of every file that comes from `wit/`."""
    crate = {rust_crate_folder() / "wit" / p.name: p for p in wit_folder().glob("*.wit")}
    return {
        PARSED: parsed_contract(),
        c_header_folder() / "airswasm_types.h": c_types_header(),
        guest_folder("javascript") / "contract.d.ts": typescript_declarations(contract()),
        **{copy: source.read_text("utf-8") for copy, source in crate.items()},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m airswasm.wit.update", description=__doc__)
    parser.parse_args(arguments)
    try:
        PARSED.write_text(parsed_contract(), "utf-8")
        contract.cache_clear()  # the header is made of what was written just now
        written = generated_files()
    except WitError as error:
        print(error, file=sys.stderr)
        return 1
    for path, text in written.items():
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
