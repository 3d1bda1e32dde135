"""A web server on this machine, for tests of downloads."""

import http.server
import threading


class Server:
    """Serves bytes at every address, and notes what it is asked for.

    Args:
        data: what it serves.
        status: the HTTP status.
        sized: whether it says how many bytes there are.
        breaks: whether it ends in the middle.
        stalls: whether it falls silent in the middle.
    """

    def __init__(self, data, *, status=200, sized=True, breaks=False, stalls=False):
        server = self
        self.asked = []
        self.over = threading.Event()

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked.append(self.path)
                self.send_response(status)
                if sized:
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data[: len(data) // 2] if breaks or stalls else data)
                if stalls:
                    server.over.wait(30)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.address = f"http://127.0.0.1:{self.http.server_port}/models/weights.h5"
        threading.Thread(target=self.http.serve_forever, args=[0.02], daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over.set()
        self.http.shutdown()
        self.http.server_close()
