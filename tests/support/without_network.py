"""Run a script where no network may be asked for: `python without_network.py script.py`."""

import runpy
import sys

REFUSED = "the network was asked for"


def refuse(event, arguments):
    """Refuse names and addresses of the internet; sockets of this machine's own processes are none."""
    if event == "socket.getaddrinfo" or (event == "socket.connect" and isinstance(arguments[1], tuple)):
        sys.stderr.write(f"{REFUSED}: {event} {arguments}\n")
        raise OSError(REFUSED)


if __name__ == "__main__":
    sys.addaudithook(refuse)
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
