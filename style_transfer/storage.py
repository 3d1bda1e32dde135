"""Files on other machines, by addresses such as `s3://bucket/photo.jpg`: read, listed, put whole.

fsspec and its packages, one for each kind of address, are imported where one is used. Who may read
and write there is for their own settings to say, not for an address: what this program writes down
has no password in it.
"""

import contextlib
import posixpath
import re
from pathlib import PurePosixPath

from style_transfer import files

PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "sftp": "sshfs"}
ADDRESS = re.compile(r"(s3|gs|sftp)://([^/]*)/*(.*)", re.DOTALL)
COLLAPSED = re.compile(r"(s3|gs|sftp):/")  # what `Path` makes of an address
PATTERN = re.compile(r"[*?\[]")
PART = ".part"  # a file there that is not whole
SECONDS = 15  # without an answer, after which the other machine counts as gone
LONGEST = 200  # characters of a library's message


class StorageError(OSError):
    """Another machine does not do what was asked of it; one line."""


def is_address(path):
    """Tell whether a path, as text, is the address of something on another machine."""
    return isinstance(path, str) and ADDRESS.fullmatch(path) is not None


def refuse(path):
    """Raise FileError if a path, be it a `Path`, is an address, where none is understood."""
    if COLLAPSED.match(str(path)):
        remedy = "name a folder on this machine"
        raise files.FileError(path, "is an address, which this command cannot write to", remedy)


def read(path, *, remedy):
    """Return the bytes of a file, here or at an address; raise as `files.read`.

    Raises:
        files.FileError: there is no such file, or it is empty or larger than 512 MB.
        StorageError: the other machine does not answer, or refuses.
    """
    if not is_address(path):
        return files.read(path, remedy=remedy)
    place, name = Place.of_file(path)
    with place.asking(remedy, path):
        size = place.system.info(place.locate(name))["size"] or 0
        if not 0 < size <= files.MAX_BYTES:
            reason = "is larger than 512 MB" if size else "is empty, or a folder"
            raise files.FileError(path, reason, remedy)
        return place.system.cat_file(place.locate(name))


def expand(address, suffixes, *, remedy):
    """List the addresses that one stands for: itself, or what a folder or a pattern holds.

    Args:
        suffixes: of the files that count in a folder; one with such a suffix is no folder.

    Raises:
        files.FileError: nothing fits.
        StorageError: as of `read`.
    """
    is_pattern = PATTERN.search(address)
    if PurePosixPath(address).suffix.lower() in suffixes and not is_pattern:
        return [address]
    place = Place(address)
    with place.asking(remedy):
        if is_pattern:
            found = place.system.glob(place.root)
        else:
            listed = place.system.ls(place.root, detail=True)
            names = [each["name"] for each in listed if each["type"] != "directory"]
            found = [each for each in names if PurePosixPath(each).suffix.lower() in suffixes]
    if not found:
        raise files.FileError(address, "there is no picture", remedy)
    return [place.name(each) for each in sorted(found)]


class Place:
    """A folder on another machine.

    Args:
        address: of the folder.

    Raises:
        files.FileError: the address cannot be used, or a package is missing.
        StorageError: the machine does not answer, or refuses.
    """

    def __init__(self, address):
        self.scheme, self.host, path = ADDRESS.fullmatch(address).groups()
        self.address = address.rstrip("/")
        self.check()
        # The first part of an object's name is its bucket; a path begins at the root.
        self.start = "" if self.scheme == "sftp" else self.host
        self.root = f"{self.start}/{path.rstrip('/')}".rstrip("/") or "/"
        self.system = self.connect()

    @classmethod
    def of_file(cls, address):
        """Return the folder of a file, and the file's name in it."""
        folder, name = posixpath.split(address)
        if not is_address(folder) or not ADDRESS.fullmatch(folder)[2]:
            raise files.FileError(address, "names no file", "write s3://BUCKET/NAME, for example")
        return cls(folder), name

    def check(self):
        """Refuse an address without a machine, and one with a password in it."""
        example = {"sftp": "sftp://USER@HOST/PATH"}.get(self.scheme, f"{self.scheme}://BUCKET/PATH")
        user, _, host = self.host.rpartition("@")
        if ":" in user:
            reason = "has a password in it, which others can see"
            remedy = "use a key, or the variable FSSPEC_SFTP_PASSWORD"
            raise files.FileError(f"{self.scheme}://…@{host}", reason, remedy)
        if not host:
            raise files.FileError(self.address, "names no machine or bucket", f"write {example}")

    def connect(self):
        """Return what speaks to the machine."""
        package = PACKAGES[self.scheme]
        try:
            import fsspec

            kind = fsspec.get_filesystem_class(self.scheme)
        except ImportError:
            remedy = f"install it with: python -m pip install {package}"
            raise files.FileError(self.address, f"needs {package}", remedy) from None
        options = {"use_listings_cache": False}
        if self.scheme == "sftp":
            options = self.sftp_options() | fsspec.config.conf.get("sftp", {})
        with self.asking():
            system = kind(**options)
        # What a request ends with is raised by it; asyncio would print it, too.
        system.loop.set_exception_handler(lambda _loop, _context: None)
        return system

    def sftp_options(self):
        """Return what asyncssh is told; without `known_hosts` sshfs would trust any machine."""
        user, _, host = self.host.rpartition("@")
        name, _, port = host.partition(":")
        options = {"host": name, "known_hosts": (), "connect_timeout": SECONDS}
        options |= {"keepalive_interval": SECONDS, "keepalive_count_max": 1}
        options |= {"username": user} if user else {}
        return options | ({"port": int(port)} if port.isdecimal() else {})

    @contextlib.contextmanager
    def asking(self, remedy=None, address=None):
        """Turn what the libraries raise into errors of one line.

        Args:
            remedy: where a file is missing; None: that is raised as it is.
            address: of what is asked for, where that is not the folder.
        """
        address = address or self.address
        try:
            yield
        except files.FileError:
            raise
        except FileNotFoundError:
            if remedy is None:
                raise
            raise files.FileError(address, "no such file, folder or bucket", remedy) from None
        except Exception as error:  # each library has errors of its own, many not of OSError
            reason = files.printable(str(error) or type(error).__name__)[:LONGEST]
            raise StorageError(f"{files.printable(address)}: {reason}") from error

    def locate(self, name):
        """Return what the machine calls a file in the folder."""
        return posixpath.join(self.root, name)

    def name(self, path):
        """Return the address of what the machine calls so."""
        own = path.removeprefix(self.start).lstrip("/")
        return f"{self.scheme}://{self.host}/{own}"

    def list(self):
        """Return the names of all files in the folder, and in those in it: a set."""
        # Else what cannot be listed would count as empty.
        options = {"on_error": "raise"} if self.scheme == "sftp" else {}
        try:
            with self.asking():
                found = self.system.find(self.root, **options)
        except FileNotFoundError:
            if self.scheme != "sftp":  # a folder need not be there, but its bucket
                raise StorageError(f"{self.address}: no such bucket; make it first") from None
            return set()
        names = (posixpath.relpath(each, self.root) for each in found)
        return {each for each in names if is_plain(each)}

    def read_all(self, names):
        """Return the bytes of small files by name."""
        paths = {self.locate(name): name for name in names}
        with self.asking("give the same command again"):
            # A list of one would give the bytes themselves.
            found = self.system.cat(list(paths)) if len(paths) > 1 else {}
            found |= {each: self.system.cat_file(each) for each in paths.keys() - found.keys()}
        return {paths[path]: data for path, data in found.items()}

    def get(self, targets):
        """Fetch files.

        Args:
            targets: from name to a path on this machine, whose folder exists.
        """
        with self.asking("give the same command again"):
            paths = [self.locate(name) for name in targets]
            self.system.get(paths, list(map(str, targets.values())))

    def put(self, sources):
        """Put files, each whole or not at all.

        Args:
            sources: from name to a path on this machine.
        """
        paths = [self.locate(name) for name in sources]
        # An object is there once all of it is; a file grows.
        is_whole = self.scheme != "sftp"
        targets = paths if is_whole else [f"{path}{PART}" for path in paths]
        with self.asking("make it first"):
            self.system.put(list(map(str, sources.values())), targets)
            for source, target in zip(targets, paths) if not is_whole else ():
                self.system.mv(source, target)

    def remove(self, names):
        """Remove files, whether or not they are there."""
        for name in names:
            with contextlib.suppress(FileNotFoundError), self.asking():
                self.system.rm_file(self.locate(name))


def is_plain(name):
    """Tell whether a name from another machine is one below a folder, and of a whole file."""
    parts = PurePosixPath(name).parts
    is_below = parts and not parts[0].startswith("/") and not {"..", "."} & {*parts}
    return bool(is_below) and "\\" not in name and not name.endswith(PART)
