"""The README's code runs, block after block, and what it says of the results holds."""

import re

from compiled import ROOT


def test_the_readme_runs():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) >= 3
    names = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert names["result"].success and names["h"].success
    limit = names["pyblo"].equilibria.cold_start(names["problem"], names["u0"], method=names["pyblo"].Neumann(terms=5))
    found = names["pyblo"].cold_start(names["problem"], names["u0"], method=names["pyblo"].Neumann(terms=5), tol=1e-12)
    assert limit.success and found.success
    # K's least eigenvalue is above 0.1 here: ‖u − u*‖ ≤ 10‖dF/du‖
    assert abs(found.u - limit.u).max() <= 1e-10


def test_links_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
