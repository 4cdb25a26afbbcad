"""Servers on the loopback."""
import socket
import sys
import time
import urllib.error
import urllib.request


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def wait_for(process, port, healthy=True):
    """Until it answers: over HTTP that it is healthy, or else at all. Stops the test when it ends before."""
    for _ in range(1200):
        if process.poll() is not None:
            sys.exit(f"the server ended with {process.returncode}")
        try:
            if listens(port) and (not healthy or urllib.request.urlopen(f"http://127.0.0.1:{port}/health").status == 200):
                return
        except urllib.error.HTTPError:
            pass  # loading
        time.sleep(0.05)
    sys.exit(f"nothing answers at port {port}")
