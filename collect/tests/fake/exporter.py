"""A process of any name that listens and answers: NAME PORT [CERTIFICATE KEY]."""

import ctypes
import http.server
import ssl
import sys

NAME, PORT, *TLS = sys.argv[1:]
ctypes.CDLL(None).prctl(15, NAME.encode(), 0, 0, 0)  # PR_SET_NAME


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        has_pprof = self.path.startswith("/debug/pprof/") and not TLS
        status = 200 if has_pprof or self.path.split("?")[0] in ("/metrics", "/livez", "/readyz") else 404
        who = self.connection.getpeercert() if TLS else None
        body = f"{self.path} {who} {self.headers.get('Authorization')}\n".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(PORT)), Handler)
if TLS:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*TLS)
    server.socket = context.wrap_socket(server.socket, server_side=True)
print("listens", flush=True)
server.serve_forever()
