"""Maps of several spaces, and the web page that glides between them: what aligning costs, and how smooth the page is.

`python benchmarks/task_maps.py` measures both (about two minutes on two quiet cores) and writes task_maps.md; `--quick`
only prints, at tiny sizes.
The page is measured in a real Chromium without a graphics card, so in software, which is the slow case.
"""

import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from run import alternate, machine, markdown, with_quartiles, write_report

from course_utils.app.task_maps import describe, write_page
from course_utils.data import Task, load_corpus, load_tasks
from course_utils.drawing import map_quality, project, project_aligned
from course_utils.embedding import load_embedder
from course_utils.measuring import normalize

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from figures import CHROMIUM_ARGUMENTS, find_chromium  # noqa: E402

FOUR = ("default", "sentiment", "topic", "toxicity")
FULL = {"per group": 80, "seeds": (0, 1, 2), "points": 5000, "screens": (0, 1)}
QUICK = {"per group": 4, "seeds": (0,), "points": 50, "screens": (0,)}
SCREENS = (("1440 x 900", (1440, 900), 1), ("390 x 844, dense", (390, 844), 2))

# Frames are timed by the page's own clock, from the click until a little after the glide.
FRAMES = """async button => {
    const times = [];
    document.querySelectorAll("#tasks button")[button].click();
    const end = performance.now() + 1000;
    while (performance.now() < end) times.push(await new Promise(requestAnimationFrame));
    return times.slice(1).map((time, i) => time - times[i]);
}"""


def tied(spaces: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Maps of umap's own AlignedUMAP."""
    from umap import AlignedUMAP

    same = [{i: i for i in range(len(next(iter(spaces.values()))))}] * (len(spaces) - 1)
    fitted = AlignedUMAP(random_state=seed).fit([normalize(space) for space in spaces.values()], relations=same)
    return dict(zip(spaces, map(np.asarray, fitted.embeddings_), strict=True))


def aligning(sizes: dict) -> list[dict]:
    """Compare three ways to draw four spaces of posts: MiniLM with the words in front of each post."""
    posts = load_corpus("newsgroups", n_per_group=sizes["per group"])
    embedder, tasks = load_embedder(), load_tasks()
    spaces = {
        name: embedder.encode(posts["text"], prompt=embedder.card.prompt_for(tasks[name].instruction), max_length=128)
        for name in FOUR
    }
    ways = {
        "independent": lambda seed: {name: project(space, random_state=seed) for name, space in spaces.items()},
        "`project_aligned`": lambda seed: project_aligned(spaces, random_state=seed),
        "`AlignedUMAP`": lambda seed: tied(spaces, seed),
    }
    alternate(ways, 1, 0)  # to compile
    rows = []
    for seed in sizes["seeds"]:
        times, drawn = alternate(ways, 1, seed)
        for way, maps in drawn.items():
            quality = pd.DataFrame([map_quality(spaces[name], maps[name]) for name in FOUR[1:]]).mean()
            centred = {name: points - points.mean(axis=0) for name, points in maps.items()}
            radius = np.linalg.norm(centred["default"], axis=1).mean()
            moved = np.mean([np.linalg.norm(centred[n] - centred["default"], axis=1).mean() for n in FOUR[1:]]) / radius
            longer = times[way][0] / times["independent"][0]
            rows.append({"maps": way, "times as long": longer, "s": times[way][0], **quality, "moved": moved})
    table, timed = pd.DataFrame(rows).groupby("maps", sort=False), ("times as long", "s")
    means = table[[*quality.index, "moved"]].mean()
    return [
        {"maps": way, **{name: with_quartiles(rounds[name]) for name in timed}, **means.loc[way].map("{:.3g}".format)}
        for way, rounds in table
    ]


def gliding(sizes: dict, folder: Path) -> list[dict]:
    """Time the frames of the page while points glide, on a desktop's and on a phone's screen."""
    from playwright.sync_api import sync_playwright

    rows = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_ARGUMENTS)
        n, chance = sizes["points"], np.random.default_rng(0)
        group = chance.integers(10, size=n)
        spaces = {name: np.eye(12)[group] + 0.3 * chance.normal(size=(n, 12)) for name in FOUR}
        frame = pd.DataFrame({"text": [f"text {i} of this page" for i in range(n)], "group": group.astype(str)})
        about = {"corpus": "made up", "model": "none", "taught": True}
        page_path = write_page(describe(spaces, frame, [Task(name, name, "text") for name in FOUR], about), folder)
        for screen, size, dense in (SCREENS[i] for i in sizes["screens"]):
            viewport = {"width": size[0], "height": size[1]}
            page = browser.new_context(viewport=viewport, device_scale_factor=dense).new_page()
            page.goto(page_path.as_uri())
            page.wait_for_timeout(1500)
            page.locator("#canvas").scroll_into_view_if_needed()
            glides = [page.evaluate(FRAMES, button) for button in (1, 2, 3, 0) * len(sizes["seeds"])]
            medians = pd.Series([np.median(glide) for glide in glides])
            slowest = np.quantile(np.concatenate(glides), 0.95)
            rows.append(
                {
                    "texts": n,
                    "screen": screen,
                    "median frame, ms": f"{medians.median():.1f} ({medians.min():.1f}–{medians.max():.1f})",
                    "slowest of twenty, ms": f"{slowest:.1f}",
                    "_median": medians.median(),
                }
            )
        browser.close()
    return rows


def main() -> None:
    """Run both measurements and write the page."""
    sizes, about = QUICK if "--quick" in sys.argv[1:] else FULL, machine()
    warnings.filterwarnings("ignore", message="n_jobs value")
    with tempfile.TemporaryDirectory() as temporary:
        glides = gliding(sizes, Path(temporary))
    worst = max(row.pop("_median") for row in glides)
    body = f"""## Aligning

Four spaces of the same {10 * sizes["per group"]} newsgroup posts (MiniLM; none, and three instructions in front), drawn
by UMAP, with {len(sizes["seeds"])} seeds, which take turns; the measures are means over them and over the three maps
behind the first. *Moved* is the mean distance of a point from its place on the first map, in units of that map's mean
radius. A tie makes *moved* small whatever the spaces do; what counts is that
it is small at no loss of neighbours.

{markdown(aligning(sizes))}

## Gliding

The web page in Chromium, drawing in software. Aim: a median frame under 33 ms at 5,000 texts.
{"Reached" if worst < 33 else "Not reached"}. In brackets: the least and the largest median of a glide.

{markdown(glides)}
"""
    write_report(__file__, "Maps of several spaces", about, body, keep=sizes is FULL)


if __name__ == "__main__":
    main()
