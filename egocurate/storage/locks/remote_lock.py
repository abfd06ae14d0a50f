"""The lock file of a folder in a store: an object that is put only where there is none."""

import time
from email.utils import parsedate_to_datetime

from upath import UPath

from egocurate.storage.locks.lock import LOCK_FILE
from egocurate.storage.paths import named, read_bytes


class RemoteLockFile:
    """See `storage.locks.lock.LockFile`; a store without conditional puts is caught by reading back what was put."""

    def __init__(self, folder: UPath, name: str = LOCK_FILE) -> None:
        """Lie in `folder` under this name."""
        self.path = folder / name
        self._fs, self._name = self.path.fs, self.path.path

    def beside(self, name: str) -> "RemoteLockFile":
        """Return the lock file called `name` in the same folder."""
        return RemoteLockFile(self.path.parent, name)

    def create(self, content: bytes) -> bool:
        """Put the object with `If-None-Match: *`, or what the store has for it."""
        with named(self.path):
            if self.path.exists():
                return False
            try:
                self._fs.pipe_file(self._name, content, mode="create")
            except FileExistsError:
                return False
            except (NotImplementedError, OSError) as error:
                if "PreconditionFailed" in repr(error.__cause__) or "pre-conditions" in str(error):
                    return False
                if not isinstance(error, NotImplementedError) and "NotImplemented" not in repr(error.__cause__):
                    raise
                self._fs.pipe_file(self._name, content)
        return True

    def read(self) -> tuple[bytes, float] | None:
        """Read content and age; on S3 both times are the store's, elsewhere now is this machine's."""
        try:
            with named(self.path):
                if not hasattr(self._fs, "call_s3"):
                    age = time.time() - self._fs.modified(self._name).timestamp()
                    return read_bytes(self.path), age
                bucket, _, key = self._name.partition("/")
                head = self._fs.call_s3("head_object", Bucket=bucket, Key=key)
                now = parsedate_to_datetime(head["ResponseMetadata"]["HTTPHeaders"]["date"])
                return read_bytes(self.path), (now - head["LastModified"]).total_seconds()
        except FileNotFoundError:
            return None

    def refresh(self) -> None:
        """Put the same content again."""
        current = self.read()
        if current is not None:
            with named(self.path):
                self._fs.pipe_file(self._name, current[0])

    def remove(self) -> None:
        """Delete the object."""
        with named(self.path):
            self.path.unlink(missing_ok=True)
