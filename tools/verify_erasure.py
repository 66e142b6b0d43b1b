"""Check receipts of erasures offline: ``python -m tools.verify_erasure FILE... [--node KEY]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from clients.lifecycle.erasure import ErasureReceiptError, verify_receipt


def main() -> None:
    """Say of each receipt what it proves; exit 1 if one proves nothing."""
    parser = argparse.ArgumentParser(prog="tools.verify_erasure")
    parser.add_argument("receipts", nargs="+", type=Path)
    parser.add_argument("--node", type=bytes.fromhex, help="the node's public key (hex)")
    options = parser.parse_args()
    good = True
    for path in options.receipts:
        try:
            found = verify_receipt(path, options.node)
            print(f"{path}: {found['pseudonym']} erased {found['time']} by node {found['node']}")
        except ErasureReceiptError as error:
            print(error, file=sys.stderr)
            good = False
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
