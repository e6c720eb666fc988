"""The folder of `BackupAndRestore`: which files are written, and which are deleted at the end.

The folder belongs to the user, and so do all other files in it. Only the three files of the callback
are changed, never through a link. The folder is deleted only if it is empty.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from keras_lr.core.refusals import refuse
from keras_lr.core.warning import warn_user


class BackupFolder:
    """The files of a backup, in a folder that need not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.latest = path / "latest.weights.h5"
        self.previous = path / "previous.weights.h5"
        self._part = path / "part.weights.h5"

    def backups(self) -> list[Path]:
        """The existing backups, the latest first."""
        return [path for path in (self.latest, self.previous) if path.exists()]

    def prepare(self) -> None:
        """Create the folder, check that files can be written to it, and remove the incomplete file of a killed write.

        Raises:
            ValueError: it cannot be written, or contains something else with the name of a backup.
        """
        if os.path.lexists(self.path) and not self.path.is_dir():
            self._refuse("a folder, but it is a file")
        for path in self._files():
            if path.is_symlink() or path.is_dir():
                self._refuse(f"a folder in which {path.name!r} is a file, not a link or a folder")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._part.write_bytes(b"")
            self._part.unlink()
        except OSError as error:
            self._refuse(f"a folder that can be written ({_reason(error)})")

    def write(self, save: Callable[[Path], object], *, keep_latest: bool) -> None:
        """Write a backup to a new file, which then replaces the latest one in one operation.

        Args:
            save: a function that writes a file.
            keep_latest: whether to keep the latest backup as `previous`.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        save(self._part)
        with self._part.open("r+b") as file:
            os.fsync(file.fileno())
        if keep_latest and self.latest.exists():
            # If the process is killed between the two operations, training continues from `previous`.
            os.replace(self.latest, self.previous)
        os.replace(self._part, self.latest)

    def delete(self) -> None:
        """Delete the backups, and the folder if it is then empty. Warn if that fails."""
        try:
            for path in self._files():
                if not path.is_symlink():
                    path.unlink(missing_ok=True)
            if self.path.is_dir() and not (self.path.is_symlink() or self._is_in_use()):
                self._remove_if_empty()
        except OSError as error:
            warn_user(
                f"BackupAndRestore: the backup in {str(self.path)!r} could not be deleted ({_reason(error)}); "
                "the training itself is complete",
            )

    def _remove_if_empty(self) -> None:
        try:
            self.path.rmdir()
        except OSError as error:
            # It is not empty, or it is the mount point of another file system.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY):
                raise

    def _is_in_use(self) -> bool:
        """Whether it is the current folder, or the user's home."""
        places = Path(), Path(os.path.expanduser("~"))
        return any(place.exists() and self.path.samefile(place) for place in places)

    def _files(self) -> tuple[Path, ...]:
        return self.latest, self.previous, self._part

    def _refuse(self, allowed: str) -> None:
        refuse("BackupAndRestore", "backup_dir", allowed, str(self.path))


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
