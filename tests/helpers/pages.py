"""The pages of the documentation as their tests read them: fenced blocks, headings, links, names of files."""

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
UNFINISHED = "docs/metrics.md"  # becomes evaluate.md
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*ROOT.glob("*.md"), ROOT / "benchmarks/README.md", *(ROOT / "docs").rglob("*.md")]
    if path != ROOT / UNFINISHED
)
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block of a page: its language, its text, and the line that it begins in."""

    page: str
    line: int
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """The commands of a block of the shell, those that go on over a line's end in one; no comments."""
        lines = re.sub(r"\\\n\s*", "", self.text).splitlines()
        if self.language == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return [command for line in lines if (command := re.sub(r"(^|\s+)# .*$", "", line).strip())]

    def output(self) -> str:
        """What a block of the language ``console`` shows of the output of its commands."""
        return "\n".join(line for line in self.text.splitlines() if not line.startswith("$ "))


def text_of(page: str) -> str:
    """The text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    """All fenced blocks of a page."""
    text = text_of(page)
    return [
        Block(page, text[: match.start()].count("\n") + 1, match[2], re.sub(f"^{match[1]}", "", match[3], flags=re.M))
        for match in FENCE.finditer(text)
    ]


def prose(page: str) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", text_of(page))


def anchors(page: str) -> set[str]:
    """What a link to a heading of the page may be called, as GitHub names headings."""
    seen: Counter[str] = Counter()
    names = set()
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        names.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return names


def links(page: str) -> list[str]:
    """Where the links and pictures of a page lead, those to other places than files left out."""
    targets: list[str] = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]
