"""`gatecell --version`: the version, the build of the core, and the instruction sets that this machine can run."""

from __future__ import annotations

import argparse

import gatecell

from ._output import print_columns, print_json


def execute(arguments: argparse.Namespace) -> int:
    build, available = gatecell.build_info(), gatecell.available_isas()
    if arguments.json:
        print_json({**build, "isas": list(build["isas"]), "available": available})
        return 0
    print(f"gatecell {build['version']}")
    print_columns(
        [
            ("commit", build["commit"]),
            ("compiler", build["compiler"]),
            ("Eigen", build["eigen"]),
            ("arithmetic", f"version {build['arithmetic']}"),
            ("instruction sets", ", ".join(build["isas"])),
            ("of those here", ", ".join(available)),
        ]
    )
    return 0
