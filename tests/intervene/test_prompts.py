from monoscope.intervene.prompts import story_beginnings


def test_sixty_different_beginnings():
    beginnings = story_beginnings()
    assert len(beginnings) == len(set(beginnings)) == 60
    for text in beginnings:
        assert text == text.strip()
        assert 3 <= len(text.split()) <= 12
