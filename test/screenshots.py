"""Takes pictures of noetl-console with Chromium, by the WebDriver protocol.

  screenshots.py ADDRESS DIRECTORY [DIRECTORY-FOR-ALL]

"make screenshots" calls it.  A page that is wider than the window, or that makes
the browser complain, ends it with 1.
"""
import base64
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

SCREENS = ["/", "/executions", "/approvals", "/playbooks", "/playbook?path=billing/invoice", "/editor", "/schedules"]


class Browser:
    """One window of Chromium."""

    def __init__(self, address, width, dark):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = address.rstrip("/")
        self.driver = subprocess.Popen(["chromedriver", "--port=%d" % port], stdout=subprocess.DEVNULL)
        self.base = "http://127.0.0.1:%d/session" % port
        self.wrong = []
        for _ in range(100):
            try:
                urllib.request.urlopen(self.base.replace("/session", "/status"))
                break
            except OSError:
                time.sleep(.1)
        options = {"args": ["--headless=new", "--no-sandbox", "--hide-scrollbars"]}
        capabilities = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self.base += "/" + self.call("", {"capabilities": {"alwaysMatch": capabilities}})["sessionId"]
        self.cdp("Emulation.setEmulatedMedia",
                 features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.width = width
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)

    def call(self, path, body):
        request = urllib.request.Request(self.base + path, json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request))["value"]

    def cdp(self, command, **params):
        return self.call("/goog/cdp/execute", {"cmd": command, "params": params})

    def script(self, code, *args):
        return self.call("/execute/sync", {"script": code, "args": args})

    def go(self, path):
        """Opens a page; notes what is wrong with it."""
        self.call("/url", {"url": self.address + path})
        time.sleep(.5)
        self.look(path)

    def look(self, path):
        if self.script("return document.documentElement.scrollWidth > innerWidth"):
            self.wrong.append("%s is wider than %d pixels" % (path, self.width))
        for entry in self.call("/se/log", {"type": "browser"}):
            self.wrong.append("%s: %s" % (path, entry["message"]))

    def login(self, role):
        self.go("/login")
        self.script("document.querySelector('[name=role]').value = arguments[0];"
                    "document.querySelector('form.login').submit()", role)
        time.sleep(1)

    def picture(self, path, height):
        """Writes a picture of the page, at most that high."""
        size = self.cdp("Page.getLayoutMetrics")["cssContentSize"]
        image = self.cdp("Page.captureScreenshot", captureBeyondViewport=True, clip={
            "x": 0, "y": 0, "width": self.width, "height": min(size["height"], height), "scale": 1})
        with open(path, "wb") as file:
            file.write(base64.b64decode(image["data"]))

    def close(self):
        urllib.request.urlopen(urllib.request.Request(self.base, method="DELETE"))
        self.driver.terminate()
        self.driver.wait()


def open_execution(browser):
    """Opens an execution of which a part is done."""
    browser.go("/executions?path=billing/invoice&status=RUNNING")
    browser.script("document.querySelector('[data-row]').click()")
    time.sleep(1)
    browser.look("/execution")


def all_screens(address, directory, width, dark):
    """Every screen as a picture; returns what is wrong."""
    browser = Browser(address, width, dark)
    try:
        browser.login("alice")
        name = os.path.join(directory, "%s-%d-" % ("dark" if dark else "light", width))
        for path in SCREENS:
            browser.go(path)
            browser.picture(name + (path.strip("/").split("?")[0] or "overview") + ".png", 3000)
        open_execution(browser)
        browser.picture(name + "execution.png", 3000)
    finally:
        browser.close()
    return browser.wrong


def main():
    address, directory = sys.argv[1].strip(), sys.argv[2]
    browser = Browser(address, 1100, False)
    try:
        browser.login("alice")
        browser.go("/")
        browser.picture(os.path.join(directory, "console-overview.png"), 1000)
        open_execution(browser)
        browser.picture(os.path.join(directory, "console-execution.png"), 1080)
    finally:
        browser.close()
    wrong = browser.wrong
    if len(sys.argv) > 3:
        os.makedirs(sys.argv[3], exist_ok=True)
        for width in (360, 400, 1400, 2000):
            for dark in (False, True):
                wrong += all_screens(address, sys.argv[3], width, dark)
    print("\n".join(wrong))
    sys.exit(1 if wrong else 0)


main()
