"""One at a time: a lock on an output, which the system takes away when the process that holds it dies."""

import os
import socket
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator, Optional, Set

from .errors import Errors, LLMJudgeError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class _Held(threading.local):
    """The outputs that a thread has locked already."""

    def __init__(self) -> None:
        self.paths: Set[str] = set()


_HELD = _Held()


@contextmanager
def alone(output: Path) -> Iterator[None]:
    """Keep other processes and threads from writing to an output in the meantime.

    Where no file can be written beside the output, or on a system without `flock`, nothing is locked. On a
    file system without locks the process that is named in the file counts, while it lives.

    output (Path): A file or folder. The lock is a hidden file beside it, which is removed at the end.
    RAISES (LLMJudgeError): J113 where another one is writing to it.
    """
    target = os.path.realpath(output)
    if fcntl is None or target in _HELD.paths:
        yield
        return
    lock = Path(target).with_name(f".{Path(target).name}.lock")
    made = _make_parents(lock.parent)
    handle = _take(lock, Path(output))
    _HELD.paths.add(target)
    try:
        yield
    finally:
        _HELD.paths.remove(target)
        if handle is not None:
            with suppress(OSError):
                lock.unlink()
            os.close(handle)
        for folder in made:
            # only those that the work left empty can be removed
            with suppress(OSError):
                folder.rmdir()


def _make_parents(folder: Path) -> Iterator[Path]:
    """RETURNS (Iterator[Path]): The folders that were missing, the innermost first."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return iter(missing)


def _take(lock: Path, output: Path) -> Optional[int]:
    """RETURNS (Optional[int]): The open file that is locked; None where none can be written."""
    while True:
        try:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            return None
        owner = os.read(handle, 200).decode("utf8", "replace")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_free = True
        except BlockingIOError:
            is_free = False
        except OSError:
            is_free = not _is_alive(owner)
        if not is_free:
            os.close(handle)
            raise LLMJudgeError(Errors.J113.format(path=output, owner=owner or "just started"))
        if _is_same(handle, lock):
            os.truncate(handle, 0)
            os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
            return handle
        # the one before removed the file after it was opened here
        os.close(handle)


def _is_same(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except OSError:
        return False


def _is_alive(owner: str) -> bool:
    """RETURNS (bool): Whether a process of this machine still runs. Of other machines nobody knows."""
    words = owner.split()
    if len(words) != 4 or words[3] != socket.gethostname() or int(words[1]) == os.getpid():
        return False
    try:
        os.kill(int(words[1]), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
