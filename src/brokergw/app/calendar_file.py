"""The operator's file of market hours, read again when it changes."""

from pathlib import Path

from brokergw.app.settings import Settings
from brokergw.desk.hours.parts import HoursSources
from brokergw.store.open import Store


class WatchedFile:
    """A text file (the port `CalendarFile`); whoever replaces it by another is noticed as well."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None

    def changed(self) -> str | None:
        """Give the text if the file is another than the one last given; raises OSError while it cannot be read."""
        try:
            stamp = _stamp(self._path)
            if stamp == self._seen:
                return None
            text = self._path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self._seen = None
            raise OSError(f"{self._path} cannot be read: {error}") from error
        self._seen = stamp
        return text


def hours_sources(settings: Settings, store: Store) -> HoursSources:
    """Say where market hours and the time come from."""
    path = settings.calendar_overrides
    return HoursSources(overrides=WatchedFile(Path(path)) if path else None, database=store.time)


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino
