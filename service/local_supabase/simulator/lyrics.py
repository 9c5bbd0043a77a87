"""Words for a song made of the words of a prompt: no poetry, but each prompt has its own."""

from __future__ import annotations

import random
import re

_FILLERS = ("morning", "river", "window", "summer", "shadow", "harbour", "silver", "garden")
_VERSES = (
    "I saw the {0} beneath the {1}",
    "And every {1} was waiting for the {0}",
    "We carried {0} home across the {1}",
    "The {1} remembers what the {0} has said",
    "There is a {0} for anyone with {1}",
    "And nobody had told us of the {1}",
)
_CHORUS = ("Oh {0}, oh {1}", "Sing it once again", "Oh {0}, oh {1}", "Until the very end")
_PLAIN = frozenset(("about", "from", "into", "some", "song", "that", "this", "with"))
_MOST_WORDS = 12


def write_lyrics(prompt: str) -> tuple[str, str]:
    """The title and the lyrics; the same prompt, the same words."""
    chance = random.Random(prompt)  # noqa: S311
    found = re.findall(r"[^\W\d_]{4,20}", prompt.lower())
    telling = [word for word in found if word not in _PLAIN]
    words = list(dict.fromkeys([*telling, *_FILLERS]))[:_MOST_WORDS]
    chorus = "\n".join(["[Chorus]", *(line.format(*words) for line in _CHORUS)])
    stanzas = [_verse(words, chance), chorus, _verse(words, chance), chorus]
    return " ".join(words[:3]).title(), "\n\n".join(stanzas)


def _verse(words: list[str], chance: random.Random) -> str:
    lines = [line.format(*chance.sample(words, 2)) for line in chance.sample(_VERSES, 4)]
    return "\n".join(["[Verse]", *lines])
