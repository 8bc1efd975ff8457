from brokergw.desk.live.risk_text import present_text

HASHES = {"1": "af3833b6a5a56cb933d93c75ebfefcaf7a02d6cd0e7900a6f42bcdcd05165c21"}
"""Of every version that was ever shown. A changed text needs a new version, and a row of its own here."""


def test_another_text_is_another_version() -> None:
    """What users acknowledged cannot change under its version."""
    text = present_text()
    assert text.text_hash == HASHES[text.version]
    assert max(HASHES, key=int) == text.version


def test_the_text_says_what_is_at_stake() -> None:
    """The text is there, and ends with what the acknowledgement means."""
    assert "You can lose money" in present_text().text
    assert "at your own risk" in present_text().text.replace("\n", " ").replace("own\n", "own ")
