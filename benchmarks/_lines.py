"""A file with a line of JSON a fit: a run that was cut off goes on where it stopped."""

import json

from _measuring import machine


class Lines:
    """The rows of such a file, each known by the values it has for some names.

    `rows` has those of the file, and then those that were added to it.
    """

    def __init__(self, path, names):
        self._path, self._names = path, names
        path.parent.mkdir(parents=True, exist_ok=True)
        written = path.read_text(encoding="utf-8") if path.exists() else ""
        lines = written.splitlines()
        if lines and not _is_whole(lines[-1]):
            # A run was cut off within it.
            del lines[-1]
        if not written.endswith("\n"):
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        self.rows = [json.loads(line) for line in lines]
        self._done = {self._key(row) for row in self.rows}

    def _key(self, row):
        return tuple(row[name] for name in self._names)

    def __contains__(self, row):
        return self._key(row) in self._done

    def add(self, row):
        """Write a row at once, with the machine, and print it without."""
        self._done.add(self._key(row))
        self.rows.append({**row, "machine": machine()})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(self.rows[-1]) + "\n")
        print(json.dumps(row), flush=True)


def _is_whole(line):
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return False
    return True
