"""Code in a new Python process."""

import subprocess
import sys


def printed_lines(code, *arguments):
    """The lines that the code prints."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip().splitlines()
