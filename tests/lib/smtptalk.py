"""A client that says one line and reads the reply."""
import base64
import socket


def b64(data):
    return base64.b64encode(data)


class Talk:
    def __init__(self, port, host="127.0.0.1", greeting=b"220"):
        self.s = socket.create_connection((host, port), timeout=30)
        self.f = self.s.makefile("rb")
        self.banner = self.read()
        assert self.banner.startswith(greeting), self.banner

    def read(self):
        lines = []
        while True:
            line = self.f.readline()
            lines.append(line)
            if not line or line[3:4] != b"-":
                return b"".join(lines)

    def say(self, line):
        self.s.sendall(line + b"\r\n")
        return self.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.f.close()
        self.s.close()
