"""What a reader of files assumed is said here, on any console."""

import sys


def tell(message: str) -> None:
    """Print a line on any console: what its encoding lacks is shown as a question mark."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(message.encode(encoding, "replace").decode(encoding))
