"""Look at the built site in headless Chromium for what is broken: `make docs-test`.

Every page has to open without an error and without a request that leaves the machine,
show its pictures, and fit a screen of 375 pixels; the search has to find something; the
examples have to have run; and the interactive map has to zoom, search and explain its
points.
"""

import argparse
import json
import shutil
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Error, expect, sync_playwright

WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 375, "height": 800}
WORD = "clipnorm"
MAP = "embedding_map.html"

# Pictures further down load late, so they are asked for first.
PICTURES_MISSING = """async () => {
  const pictures = [...document.images];
  await Promise.all(pictures.map((picture) => {
    picture.loading = "eager";
    return picture.complete || new Promise((done) => {
      picture.onload = picture.onerror = done;
    });
  }));
  return pictures.filter((picture) => !picture.naturalWidth).map((p) => p.src);
}"""

# What stands beyond the screen's edge and cannot be scrolled to within its own box, as
# code and tables can. The theme's containers scroll too, and would hide a whole page.
CUT_OFF = """() => {
  const root = document.querySelector("article") ?? document.body;
  const scrolls = (node) => {
    for (let box = node; box !== root && box; box = box.parentElement) {
      if (/auto|scroll/.test(getComputedStyle(box).overflowX)) return true;
    }
    return false;
  };
  const cut = [...root.querySelectorAll("*")].filter((node) => {
    const { left, right, width } = node.getBoundingClientRect();
    return width > 1 && (right > innerWidth + 1 || left < -1)
      && node.checkVisibility({ visibilityProperty: true, opacityProperty: true })
      && !node.parentElement.closest("svg") && !scrolls(node);
  });
  const outermost = cut.filter((node) => !cut.includes(node.parentElement));
  const page = document.scrollingElement.scrollWidth;
  return [
    ...(page > innerWidth ? [`the page is ${page} pixels wide`] : []),
    ...outermost.map((node) => `<${node.tagName.toLowerCase()}> "`
      + `${node.textContent.trim().slice(0, 40)}" is cut off`),
  ];
}"""


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


class Report:
    """Prints a line for each check, and keeps whether any failed."""

    def __init__(self):
        self.failed = False

    def __call__(self, check, problems):
        self.failed |= bool(problems)
        print(f"{'FAILED' if problems else 'ok':8}{check}", flush=True)
        for problem in problems:
            print(f"{'':8}- {problem}", flush=True)


class Visitor:
    """Opens pages of the site, and notes what goes wrong on them."""

    def __init__(self, browser, base):
        self.base = base
        context = browser.new_context(viewport=WIDE)
        context.route(lambda url: not url.startswith(base), self._refuse)
        self.page = context.new_page()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self._note(self.errors, error))
        self.page.on("response", self._receive)
        self.page.on("requestfailed", self._miss)
        self.errors, self.failures, self.outside = [], [], []
        self.path = None

    def open(self, path, query=""):
        self.path = path
        self.page.set_viewport_size(WIDE)
        self.page.goto(f"{self.base}{path}{query}", wait_until="networkidle")

    def _note(self, problems, problem):
        problems.append(f"{self.path}: {problem}")

    def _hear(self, message):
        if message.type == "error":
            self._note(self.errors, message.text)

    def _receive(self, response):
        if response.status >= 400:
            self._note(self.failures, f"{response.status} {response.url}")

    def _miss(self, request):
        if request.url.startswith(self.base):
            self._note(self.failures, f"{request.failure} {request.url}")

    def _refuse(self, route):
        self._note(self.outside, route.request.url)
        route.abort()


def check_pages(visitor, paths, report, screenshots):
    missing, cut_off, not_run = [], [], []
    n_pictures = 0
    for path in paths:
        visitor.open(path)
        page = visitor.page
        missing += [f"{path}: {url}" for url in page.evaluate(PICTURES_MISSING)]
        n_pictures += page.locator("img").count()
        if Path(path).name.startswith("plot_"):
            shown = page.locator("article .sphx-glr-script-out, article img")
            if not shown.count():
                not_run.append(path)
        _photograph(page, path, screenshots)
        page.set_viewport_size(NARROW)
        cut_off += [f"{path}: {what}" for what in page.evaluate(CUT_OFF)]
        _photograph(page, path, screenshots)
    report(f"{len(paths)} pages open without an error", visitor.errors)
    report("every request is answered", visitor.failures)
    report("no request leaves the machine", visitor.outside)
    report(f"{n_pictures} pictures have loaded", missing)
    report("the examples named plot_* have printed or drawn something", not_run)
    report(f"nothing is cut off at {NARROW['width']} pixels", cut_off)


def _photograph(page, path, folder):
    if folder:
        name = path.removesuffix(".html").replace("/", "-")
        width = page.viewport_size["width"]
        page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)


def check_search(visitor, site, report):
    """Search as a reader does, and look for the word on the pages found."""
    visitor.open("index.html")
    page = visitor.page
    page.locator(".search-button__button:visible").first.click()
    page.locator("dialog input[type=search]").fill(WORD)
    page.keyboard.press("Enter")
    results = page.locator("#search-results li a, .search-results li a")
    problems = []
    try:
        expect(results).not_to_have_count(0)
    except AssertionError:
        problems.append("nothing was found")
    urls = {url.partition("?")[0].partition("#")[0] for url in _targets(results)}
    found = [url for url in urls if WORD in _text(site, visitor.base, url)]
    if urls and not found:
        problems.append(f"no page that was found has it: {sorted(urls)}")
    report(f"the search finds {WORD!r} on {len(found)} pages", problems)


def _targets(links):
    return links.evaluate_all("links => links.map((link) => link.href)")


def _text(site, base, url):
    return (site / url.removeprefix(base)).read_text(encoding="utf-8")


def check_map(visitor, path, report):
    visitor.open(path)
    page = visitor.page
    words = json.loads(page.locator("#data").text_content())["words"]
    view, tip = page.locator("svg#map"), page.locator("#tip")
    # Fonts and sizes have settled once there are points in their places.
    points = view.locator("circle")
    expect(points).to_have_count(len(words))

    def width():
        boxes = [points.nth(i).bounding_box() for i in (0, len(words) - 1)]
        return abs(boxes[0]["x"] - boxes[1]["x"])

    problems = []
    before = width()
    view.hover()
    page.mouse.wheel(0, -400)
    page.wait_for_timeout(500)
    if width() <= before:
        problems.append("the points moved no further apart")
    report("the map zooms with the wheel", problems)

    problems = []
    page.locator("input#search").fill(words[0])
    try:
        expect(view.locator("circle.found")).not_to_have_count(0)
    except AssertionError:
        problems.append(f"{words[0]!r} is on the map and was not found")
    page.locator("input#search").fill("")
    report("the map finds a word", problems)

    problems = []
    visitor.open(path)
    try:
        # The last point drawn lies on top of the others.
        points.last.hover(force=True)
        expect(tip).to_be_visible()
    except (AssertionError, Error) as error:
        problems.append(f"no tip over a point: {str(error).splitlines()[0]}")
    else:
        if not any(word in tip.inner_text() for word in words):
            problems.append(f"the tip names no word: {tip.inner_text()!r}")
    report("the map explains the point under the pointer", problems)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    site = Path(__file__).parent / "_build" / "html"
    parser.add_argument("site", nargs="?", type=Path, default=site)
    parser.add_argument(
        "--screenshots", type=Path, help="folder for a picture of each page"
    )
    options = parser.parse_args()
    if not (options.site / "index.html").exists():
        sys.exit(f"There is no site in {options.site}: run make docs.")
    browser_path = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser_path is None:
        sys.exit(
            "The site is checked in Chromium, and none is on the path. On Debian and "
            "Ubuntu: apt-get install chromium"
        )
    if options.screenshots:
        options.screenshots.mkdir(parents=True, exist_ok=True)

    paths = sorted(
        str(path.relative_to(options.site))
        for path in options.site.rglob("*.html")
        if path.relative_to(options.site).parts[0] != "_static" or path.name == MAP
    )
    handler = partial(QuietHandler, directory=options.site)
    report = Report()
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        sync_playwright() as playwright,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        # Chromium's own sandbox needs rights that containers often lack, and the pages
        # are our own.
        browser = playwright.chromium.launch(
            executable_path=browser_path, args=["--no-sandbox"]
        )
        visitor = Visitor(browser, f"http://127.0.0.1:{server.server_port}/")
        check_pages(visitor, paths, report, options.screenshots)
        check_search(visitor, options.site, report)
        maps = [path for path in paths if Path(path).name == MAP]
        report(f"there is a page {MAP}", [] if maps else ["no example wrote it"])
        for path in maps:
            check_map(visitor, path, report)
        browser.close()
        server.shutdown()
    sys.exit(report.failed)


if __name__ == "__main__":
    main()
