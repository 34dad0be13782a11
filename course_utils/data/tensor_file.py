"""Arrays and what is to be said of them in one file: safetensors with JSON in its header, checked by a hash.

The format holds numbers and text and nothing that could run, a file is replaced in one step, and a checksum over both
parts tells one that changed on its way.
"""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

import numpy as np


class TensorFileError(ValueError):
    """A file is not one of ours, not the whole of it, or has changed since it was written."""


def write_tensors(path: Path, tensors: dict[str, np.ndarray], about: dict) -> None:
    """Write arrays and what is to be said of them; whoever reads at the same time sees the old file or the new.

    Parameters
    ----------
    path : Path
        The file; an older one is replaced.
    tensors : dict of str to ndarray
        Arrays of numbers, of any shape.
    about : dict
        Anything that JSON can hold.

    Raises
    ------
    ValueError
        If the name of the file does not end in ``.safetensors``.
    OSError
        If it cannot be written; the message names the folder, and an older file is still there.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from course_utils.data import read_tensors, write_tensors
    >>> write_tensors(Path("a.safetensors"), {"numbers": np.arange(3)}, {"unit": "seconds"})
    >>> read_tensors(Path("a.safetensors"))
    ({'numbers': array([0, 1, 2])}, {'unit': 'seconds'})
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    if path.suffix != ".safetensors":
        raise ValueError(f"path={path.name!r} needs a name that ends in .safetensors.")
    about = about | {"sha256": _checksum(about, tensors)}
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    # safetensors would write the memory of a transposed array as it lies
    in_order = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    try:
        save_file(in_order, temporary, metadata={"about": json.dumps(about)})
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__  # its text would tell the whole path
        raise OSError(
            f"{path.name} cannot be written to the folder {path.parent.absolute().name!r} ({reason}). Choose a folder "
            "that exists and that you may write to, and see whether the disk is full."
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    """Read what :func:`write_tensors` wrote.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    tensors : dict of str to ndarray
        The arrays.
    about : dict
        What was said of them.

    Raises
    ------
    TensorFileError
        If it is not such a file, not the whole of it, or has changed since.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from course_utils.data import read_tensors, write_tensors
    >>> write_tensors(Path("b.safetensors"), {"zeros": np.zeros(2)}, {})
    >>> tensors, about = read_tensors(Path("b.safetensors"))
    >>> tensors["zeros"].tolist(), about
    ([0.0, 0.0], {})
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise TensorFileError(f"There is no file {path.name!r} where the path leads to.")
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {})["about"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        whole = about.pop("sha256") == _checksum(about, tensors)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TensorFileError(f"{path.name!r} is not a file that this course wrote, or not the whole of it.") from error
    if not whole:
        raise TensorFileError(f"{path.name!r} has changed since it was written. Copy it again.")
    return tensors, about


def _checksum(about: dict, tensors: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape} ".encode())
        digest.update(np.ascontiguousarray(tensors[name]).tobytes())
    return digest.hexdigest()
