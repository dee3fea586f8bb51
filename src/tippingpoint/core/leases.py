"""Who is still at work: a lock a process holds for as long as it lives, which the kernel releases even on kill -9."""

import os
import re
import socket
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

FOLDER = Path(tempfile.gettempdir(), f"tippingpoint-{os.getuid() if hasattr(os, 'getuid') else 'leases'}")


@contextmanager
def lease(folder: Path = FOLDER) -> Iterator[str]:
    """Hold a new lease in a folder, by default this machine's; what is given is its name."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = uuid.uuid4().hex
    with FileLock(folder / name):
        try:
            yield name
        finally:
            (folder / name).unlink(missing_ok=True)


@contextmanager
def beating(beat: Callable[[], object], seconds: float) -> Iterator[None]:
    """Call `beat` every so many seconds, from a thread of its own: other machines see no lock of this one's."""
    done = threading.Event()

    def go_on() -> None:
        while not done.wait(seconds):
            beat()

    threading.Thread(target=go_on, daemon=True).start()
    try:
        yield
    finally:
        done.set()  # without waiting for a beat under way: what it is sent to may be gone


def here() -> str:
    """This machine and user, and the folder of the leases they share: another container has another one."""
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    status = FOLDER.stat()
    return f"{socket.gethostname()}:{FOLDER.name}:{status.st_dev}-{status.st_ino}"


def is_free(name: str, folder: Path = FOLDER) -> bool:
    """Whether no process holds a lease any more. Anyone may write names: only those of their form are files here."""
    if not re.fullmatch("[0-9a-f]{32}", name):
        return False
    path = folder / name
    if path.exists():
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        lock.release()
        path.unlink(missing_ok=True)
    return True
