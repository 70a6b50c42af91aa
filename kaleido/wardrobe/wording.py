"""Titles and descriptions that say in varied words what the picture shows, and nothing else."""

from dataclasses import dataclass, field

from kaleido.wardrobe.choices import Choices
from kaleido.wardrobe.design import Design, Feature
from kaleido.wardrobe.look import Look
from kaleido.wardrobe.patterns import PATTERNS

_TITLES = (
    "{colours} {pattern} {adjective} {noun}",
    "{colours} {pattern} {noun}",
    "{adjective} {noun} in {pattern} {colours}",
    "{pattern} {colours} {noun} with {feature}",
    "{pattern} {noun} with {feature} in {colours}",
)
_DESCRIPTIONS = (
    "{This} {pattern} {noun} {has} {features}. {It} {comes} in {colours}.",
    "{a} {colours} {noun} with {features}. {cloth}",
    "{cloth} {This} {adjective} {noun} {has} {features}.",
    "with {features}, {this} {adjective} {noun} {comes} in {pattern} {colours}.",
    "{adjective} {noun} in {colours}, designed with {features}. {cloth}",
    "{a} {adjective} {noun} in {pattern} {colours}. {It} {has} {features}.",
)
_SINGULAR = {"This": "This", "this": "this", "It": "It", "has": "has", "comes": "comes", "a": "a"}
_PLURAL = {"This": "These", "this": "these", "It": "They", "has": "have", "comes": "come", "a": "a pair of"}
_CLOTHS = ("{Second} {figures} on {main}.", "{Main} with {second} {figures}.")
_GRAMMAR = frozenset(("a", "an", "the", "at", "of", "and", "in", "with"))
_MOST_FEATURES = 4


@dataclass(slots=True)
class Wording:
    """Text of a product.

    Attributes:
        title: Title without a full stop.
        description: Description of one to three sentences.
        words: Words of the text that name each feature, lower case, by feature.
    """

    title: str
    description: str
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)


def describe(choices: Choices, design: Design, look: Look) -> Wording:
    """Writes title and description of a design."""
    noun = choices.pick(design.nouns)
    named: dict[str, list[str]] = {}

    def speak(feature: Feature, phrases: tuple[str, ...]) -> str:
        phrase = choices.pick(phrases).format(second=look.second)
        named.setdefault(feature.name, []).extend(word for word in phrase.split() if word not in _GRAMMAR)
        return phrase

    described = choices.shuffled([feature for feature in design.features if feature.nouns])[:_MOST_FEATURES]
    qualified = [feature for feature in design.features if feature.adjectives]
    pattern = PATTERNS[look.pattern]

    def fill(template: str) -> str:
        fields: dict[str, str] = dict(_PLURAL if design.plural else _SINGULAR)
        fields |= {"noun": noun, "colours": look.main, "pattern": "", "adjective": "", "cloth": ""}
        if look.pattern != "plain":
            fields["colours"] = f"{look.main} and {look.second}"
            fields["pattern"] = choices.pick(pattern.adjectives)
            fields["cloth"] = _cloth(choices, look)
        elif choices.chance(0.3):
            fields["pattern"] = "plain"
        if "{adjective}" in template and qualified:
            feature = choices.pick(qualified)
            fields["adjective"] = speak(feature, feature.adjectives)
        if "{feature}" in template:
            fields["feature"] = speak(described[0], described[0].nouns)
        if "{features}" in template:
            fields["features"] = _enumeration([speak(feature, feature.nouns) for feature in described])
        return _sentences(template.format(**fields))

    title = fill(choices.pick(_TITLES))
    description = fill(choices.pick(_DESCRIPTIONS))
    return Wording(title, description, {name: tuple(dict.fromkeys(words)) for name, words in named.items()})


def _cloth(choices: Choices, look: Look) -> str:
    """Writes a sentence about the pattern."""
    if look.pattern == "colour-block":
        return f"{look.main.capitalize()} above and {look.second} below."
    figures = choices.pick(PATTERNS[look.pattern].nouns)
    return choices.pick(_CLOTHS).format(
        Main=look.main.capitalize(),
        main=look.main,
        Second=look.second.capitalize(),
        second=look.second,
        figures=figures,
    )


def _enumeration(phrases: list[str]) -> str:
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"


def _sentences(text: str) -> str:
    """Removes the gaps of empty fields, writes `an` before vowels and capitalises sentences."""
    words = text.split()
    for i, word in enumerate(words[:-1]):
        if word == "a" and words[i + 1][0] in "aeiou":
            words[i] = "an"
    for i, word in enumerate(words):
        if i == 0 or words[i - 1].endswith("."):
            words[i] = word[0].upper() + word[1:]
    return " ".join(words)
