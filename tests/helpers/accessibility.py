"""What axe-core finds on a page."""

from axe_playwright_python.sync_playwright import Axe

GRAVE = ("serious", "critical")


def find_barriers(page):
    """The rules of axe-core that a page breaks in a serious or critical way, each with the first elements."""
    found = Axe().run(page).response
    assert len(found["passes"]) > 10, "axe-core had nothing to look at"
    return [
        f"{broken['id']}: {[node['html'][:150] for node in broken['nodes'][:3]]}"
        for broken in found["violations"]
        if broken["impact"] in GRAVE
    ]
