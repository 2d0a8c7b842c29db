"""Takes pictures of noetl-console with Chromium, by the WebDriver protocol.

  screenshots.py ADDRESS DIRECTORY [DIRECTORY-FOR-ALL]

"make screenshots" calls it.  A page that is wider than the window, or that makes
the browser complain, ends it with 1.
"""
import os
import sys
import time

from webdriver import Browser

SCREENS = ["/", "/executions", "/approvals", "/playbooks", "/playbook?path=billing/invoice", "/editor", "/schedules"]


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
