"""A threaded HTTP server: server.py ADDRESS. Counts the requests of each name, and answers with the count and a body that can be checked."""
import socketserver
import sys
from http.server import BaseHTTPRequestHandler

counts = {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one packet

    def do_GET(self):
        _, number, turn = self.path.split("/")
        counts[number] = counts.get(number, 0) + 1
        body = b"%s %s %d\n" % (number.encode(), turn.encode(), counts[number]) + b"%s," % turn.encode() * (int(turn) % 5000)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

    def address_string(self):
        return ""


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    daemon_threads = True


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


host, _, port = sys.argv[1].rpartition(":")
(Server((host, int(port)), Handler) if host else UnixServer(sys.argv[1], Handler)).serve_forever()
