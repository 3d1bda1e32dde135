"""Machines that files are kept on, on loopback: an S3 server, an SFTP server, a wire to be cut.

As a program, `servers.py FOLDER BYTES`: an SFTP server that shows a folder, prints its port, and
dies once it was sent so many bytes.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

KEY, SECRET, PASSWORD = "AKIAEXAMPLE", "c2VjcmV0", "horse battery"


class Wire:
    """A connection to a server that can be cut in the middle of what is sent.

    Attributes:
        port: to connect to.
        left: bytes that still pass before it is cut, or None: it is not.
    """

    def __init__(self, port):
        self.server, self.left = port, None
        self.open = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            near, _ = self.listener.accept()
            if self.left is not None and self.left <= 0:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self.server))
            self.open |= {near, far}
            threading.Thread(target=self.pass_on, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self.pass_on, args=(far, near, False), daemon=True).start()

    def pass_on(self, source, target, counts):
        with contextlib.suppress(OSError), source, target:
            while data := source.recv(4096):
                if counts and self.left is not None:
                    self.left -= len(data)
                    if self.left <= 0:
                        for each in self.open:
                            each.close()
                        return
                target.sendall(data)


class Sftp:
    """An SFTP server, a process, with a key for the user and one of its own.

    Args:
        folder: for keys, and for what it shows, `shown`.
    """

    def __init__(self, folder):
        import asyncssh

        self.folder, self.process = folder, None
        (folder / ".ssh").mkdir(parents=True)
        (folder / "shown").mkdir()
        for name in (".ssh/id_ed25519", "host_key"):
            key = asyncssh.generate_private_key("ssh-ed25519")
            key.write_private_key(folder / name)
            key.write_public_key(folder / f"{name}.pub")
        self.port = None

    def start(self, bytes_before_death=1 << 60):
        """Start it, and let the user know its key."""
        command = [sys.executable, __file__, self.folder, str(bytes_before_death)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        port = int(self.process.stdout.readline())
        key = (self.folder / "host_key.pub").read_text()
        (self.folder / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{port} {key}")
        return f"sftp://painter@127.0.0.1:{port}"

    def stop(self):
        self.process.kill()
        self.process.communicate()


async def serve(folder, left):
    """Serve until so many bytes were written."""
    import asyncssh

    class Dying(asyncssh.SFTPServer):
        def __init__(self, channel):
            super().__init__(channel, chroot=os.fsencode(folder / "shown"))

        def write(self, file, offset, data):
            nonlocal left
            left -= len(data)
            if left < 0:
                os._exit(9)
            return super().write(file, offset, data)

    class Door(asyncssh.SSHServer):
        def password_auth_supported(self):
            return True

        def validate_password(self, _user, password):
            return password == PASSWORD

    acceptor = await asyncssh.listen(
        "127.0.0.1",
        0,  # else it is 22
        server_factory=Door,
        server_host_keys=[str(folder / "host_key")],
        authorized_client_keys=str(folder / ".ssh/id_ed25519.pub"),
        sftp_factory=Dying,
    )
    print(acceptor.get_port(), flush=True)
    await acceptor.wait_closed()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
