"""A window of Chromium, driven by the WebDriver protocol of chromedriver."""
import base64
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
PATIENCE = 300          # seconds; a busy machine needs some


class Browser:
    """One window; notes in .wrong what Chromium complains of."""

    def __init__(self, address, width, dark=False, height=900):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = address.strip().rstrip("/")
        self.profile = tempfile.mkdtemp()
        self.driver = subprocess.Popen(["chromedriver", "--port=%d" % port], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, env={**os.environ, "HOME": self.profile})
        self.base = "http://127.0.0.1:%d/session" % port
        self.wrong = []
        for _ in range(600):
            try:
                urllib.request.urlopen(self.base.replace("/session", "/status"))
                break
            except OSError:
                time.sleep(.1)
        options = {"args": ["--headless=new", "--no-sandbox", "--hide-scrollbars", "--disable-dev-shm-usage",
                            "--user-data-dir=" + os.path.join(self.profile, "profile")]}
        capabilities = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"},
                        "timeouts": {"script": PATIENCE * 1000, "pageLoad": PATIENCE * 1000}}
        self.base += "/" + self.call("", {"capabilities": {"alwaysMatch": capabilities}})["sessionId"]
        self.window(width, dark, height)

    def window(self, width, dark=False, height=900):
        """Gives the window a size and a colour scheme."""
        self.width = width
        self.cdp("Emulation.setEmulatedMedia",
                 features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
                           {"name": "prefers-reduced-motion", "value": "reduce"}])
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def call(self, path, body=None, method=None):
        request = urllib.request.Request(self.base + path, None if body is None else json.dumps(body).encode(),
                                         {"Content-Type": "application/json"}, method=method)
        try:
            return json.load(urllib.request.urlopen(request))["value"]
        except urllib.error.HTTPError as error:
            detail = json.load(error)["value"]
            raise RuntimeError("%s: %s" % (detail["error"], detail["message"].splitlines()[0])) from None

    def cdp(self, command, **params):
        return self.call("/goog/cdp/execute", {"cmd": command, "params": params})

    def script(self, code, *args):
        return self.call("/execute/sync", {"script": code, "args": args})

    def async_script(self, code, *args):
        """The value that the script gives to its last argument."""
        return self.call("/execute/async", {"script": code, "args": args})

    def go(self, path):
        """Opens a page; notes what is wrong with it."""
        self.call("/url", {"url": self.address + path})
        self.wait("return document.readyState === 'complete'")
        self.look(path)

    def where(self):
        """The path and query of the page."""
        return self.script("return location.pathname + location.search")

    def look(self, about):
        """Notes what the page makes the browser complain of."""
        wide = self.script("return document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            self.wrong.append("%s is %d wider than %d pixels" % (about, wide, self.width))
        for entry in self.call("/se/log", {"type": "browser"}):
            self.wrong.append("%s: %s" % (about, entry["message"]))

    def wait(self, condition, *args):
        """Waits until a script returns something; what it returned, or None when it never does."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                value = self.script(condition, *args)
            except RuntimeError:        # the page is being left
                value = None
            if value:
                return value
            time.sleep(.05)
        return None

    def element(self, selector):
        """An element that the page has, or will have."""
        if not self.wait("return document.querySelector(arguments[0]) !== null", selector):
            raise RuntimeError("no %s in %s" % (selector, self.where()))
        return self.call("/element", {"using": "css selector", "value": selector})[ELEMENT]

    def has(self, selector):
        return self.script("return document.querySelector(arguments[0]) !== null", selector)

    def text(self, selector="main"):
        return self.script("const e = document.querySelector(arguments[0]); return e ? e.innerText : ''", selector)

    def on_element(self, selector, action, body):
        """Does something with an element; again when the page has taken it anew meanwhile."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return self.call("/element/%s/%s" % (self.element(selector), action), body)
            except RuntimeError as error:
                if "stale element" not in str(error) or time.monotonic() > until:
                    raise

    def click(self, selector):
        self.on_element(selector, "click", {})

    def leave(self, selector):
        """Clicks what leads to another page, and waits for that."""
        self.script("window.isOld = true")
        self.click(selector)
        if not self.wait("return !window.isOld && document.readyState === 'complete'"):
            raise RuntimeError("%s does not lead anywhere" % selector)
        self.look(self.where())

    def type(self, selector, text):
        """Types into a field in the place of what it has."""
        self.on_element(selector, "clear", {})
        self.on_element(selector, "value", {"text": text})

    def keys(self, text):
        """Presses keys, whatever has the focus."""
        actions = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self.call("/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def login(self, role):
        """Logs in; the page is then the overview."""
        self.go("/login")
        self.type("[name=role]", role)
        self.leave("form.login button")

    def picture(self, path, height):
        """Writes a picture of the page, at most that high; its bytes."""
        size = self.cdp("Page.getLayoutMetrics")["cssContentSize"]
        image = base64.b64decode(self.cdp("Page.captureScreenshot", captureBeyondViewport=True, clip={
            "x": 0, "y": 0, "width": self.width, "height": min(size["height"], height), "scale": 1})["data"])
        if path:
            with open(path, "wb") as file:
                file.write(image)
        return image

    def close(self):
        try:
            self.call("", method="DELETE")
        finally:
            self.driver.terminate()
            self.driver.wait()
            shutil.rmtree(self.profile, ignore_errors=True)
