"""Where the tests with thousands of commits put their ledgers."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
ENOUGH = 32 * 2**20


@pytest.fixture
def memory_path(tmp_path):
    """A folder in memory where the system has one, else on the disk. A commit waits for a disk, and what these tests
    are about is what is written and in which order."""
    if not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < ENOUGH:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)
