"""
Behind an HTTP endpoint
=======================

A fitted classifier is pickled, loaded again and asked over HTTP, as a program in
another language would ask it. The standard library is enough to show that. It is no
server for the open internet, which would need encryption, accounts and limits on how
often one may ask.
"""

# %%
# Fitting and serving are the work of two programs, and the pickle goes from one to the
# other. It holds no training text. Load only pickles that you trust.

import json
import pickle
import tempfile
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import perf_counter
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import matplotlib.pyplot as plt
import numpy as np

from skrnn import RNNTextClassifier
from skrnn.datasets import load_docstrings

docstrings = load_docstrings()
libraries = np.array(docstrings.target_names)[docstrings.target]
n_train = min(2000, len(libraries) // 2)
X_train, y_train = docstrings.data[:n_train], libraries[:n_train]

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "classifier.pickle")
    fitted = RNNTextClassifier(random_state=0).fit(X_train, y_train)
    path.write_bytes(pickle.dumps(fitted))
    print(f"The pickle has {path.stat().st_size / 2**20:.1f} MiB.")
    # From here on it would be the other program.
    classifier = pickle.loads(path.read_bytes())

# %%
# A request is JSON with a list of texts. What the classifier cannot take it refuses
# with an error that says why; the client gets that message and status 400.
# Any other error is the server's own: `http.server` prints it and closes the
# connection.

MOST_BYTES = 2**20


def answer(body):
    request = json.loads(body)
    if not isinstance(request, dict) or "texts" not in request:
        raise ValueError('Expected an object such as {"texts": ["one", "two"]}.')
    probabilities = classifier.predict_proba(request["texts"])
    return [
        {"library": str(classifier.classes_[row.argmax()]), "probability": row.max()}
        for row in probabilities
    ]


class Endpoint(BaseHTTPRequestHandler):
    # Header and body leave in one piece.
    wbufsize = -1
    # A client that sends less than it promised holds its thread no longer.
    timeout = 10

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if self.path != "/predict":
            self.reply(404, {"error": "POST to /predict."})
        elif not (length.isascii() and length.isdigit()):
            self.reply(411, {"error": "Content-Length is missing."})
        elif int(length) > MOST_BYTES:
            self.reply(413, {"error": f"More than {MOST_BYTES} bytes."})
        else:
            try:
                status, content = 200, answer(self.rfile.read(int(length)))
            except (ValueError, TypeError) as error:
                status, content = 400, {"error": str(error)}
            self.reply(status, content)

    def reply(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        # No line for each request on this page.
        pass


# %%
# On 127.0.0.1 nobody but this machine can ask, and port 0 takes one that is free. Each
# request has a thread of its own. Any number of threads may use one fitted estimator.


class Server(ThreadingHTTPServer):
    # `server_close` is to wait for them.
    daemon_threads = False


server = Server(("127.0.0.1", 0), Endpoint)
serving = Thread(target=server.serve_forever, daemon=True)
serving.start()

# %%
# The client knows the address and JSON, and nothing of Keras. It goes through no proxy.

opener = build_opener(ProxyHandler({}))


def ask(content):
    """Status and content of the reply."""
    url = f"http://127.0.0.1:{server.server_port}/predict"
    try:
        with opener.open(url, json.dumps(content).encode(), timeout=60) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


status, replies = ask(
    {
        "texts": [
            "Return a view of the array with its axes transposed.",
            "Fit the estimator on the training folds.",
        ]
    }
)
print(status)
for reply in replies:
    print(f"  {reply['library']}, {reply['probability']:.0%}")
for bad in [
    {"texts": "one string, and no list"},
    {"texts": ["a text", None]},
    {"text": ["misspelt"]},
]:
    status, reply = ask(bad)
    print(f"{status}  {json.dumps(bad)}\n  {reply['error']}")

# %%
# How long does a reply take? 200 requests of one text each, one after the other, then
# 200 by four clients at once. Clients and server share this process and its cores.

requests = docstrings.data[n_train : n_train + 200]


def time_request(text):
    start = perf_counter()
    status, _ = ask({"texts": [text]})
    assert status == 200
    return 1000 * (perf_counter() - start)


milliseconds = {"one client": [time_request(text) for text in requests]}
with ThreadPoolExecutor(max_workers=4) as clients:
    milliseconds["four clients at once"] = list(clients.map(time_request, requests))
for name, times in milliseconds.items():
    median, slow = np.percentile(times, [50, 95])
    print(f"{name:21} half within {median:.1f} ms, 95 % within {slow:.1f} ms")

# %%
# `shutdown` takes no new requests, and `server_close` waits for those that are being
# answered.

server.shutdown()
serving.join()
server.server_close()

# %%
# A point of a curve: so many of the requests took so long, or less.

figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
for (name, times), color, style in zip(
    milliseconds.items(), ["#0072b2", "#d55e00"], ["-", "--"], strict=True
):
    times = np.sort(times)
    shares = 100 * np.arange(1, len(times) + 1) / len(times)
    axes.step(times, shares, where="post", color=color, linestyle=style, label=name)
axes.set(
    xscale="log",
    xlabel="time from request to reply, ms (log scale)",
    ylabel="requests, %",
    ylim=(0, 100),
    title=f"{len(requests)} requests of one text each",
)
axes.xaxis.set_major_formatter("{x:g}")
axes.xaxis.set_minor_formatter("{x:g}")
axes.legend(frameon=False, loc="lower right")
plt.show()
