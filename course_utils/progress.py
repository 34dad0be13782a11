"""One progress bar for the whole course, quiet where nobody watches."""

import os
import sys


def progress_bar(*, total: int, desc: str, unit: str = "it", show: bool = True, **kwargs):
    """Open a tqdm bar (a widget in notebooks); a hidden one under CI or when ``show`` is False."""
    quiet = not show or bool(os.environ.get("CI")) or bool(os.environ.get("PYTEST_CURRENT_TEST"))
    if quiet or "ipykernel" not in sys.modules:
        from tqdm import tqdm
    else:
        from tqdm.auto import tqdm
    # leave=False: a finished bar would be stored in the notebook, where it says nothing
    return tqdm(total=total, desc=desc, unit=unit, disable=quiet, leave=False, **kwargs)
