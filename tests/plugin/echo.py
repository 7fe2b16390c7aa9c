"""A TCP server in threads that answers with what it gets, and remembers."""

import queue
import socket
import threading
from contextlib import suppress


class Server:
    """Answers every piece it receives with the same bytes, unless "SILENT" is in it.

    `received` holds all of them, `arrived` one after the other, `ended` how each connection ended.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.received = b""
        self.arrived: queue.Queue[bytes] = queue.Queue()
        self.ended: list[str] = []
        self.links: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                link, _ = self._listener.accept()
                self.links.append(link)
                self._threads.append(threading.Thread(target=self._answer, args=(link,)))
                self._threads[-1].start()

    def _answer(self, link: socket.socket) -> None:
        ended = "closed"
        with link:
            try:
                while data := link.recv(65536):
                    self.received += data
                    self.arrived.put(data)
                    if b"SILENT" not in data:
                        link.sendall(data)
            except OSError:
                ended = "reset"
        self.ended.append(ended)

    def join(self) -> None:
        """Wait until every connection has ended."""
        for thread in self._threads[1:]:
            thread.join(10)
            assert not thread.is_alive()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        self.join()
