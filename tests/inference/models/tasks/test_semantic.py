import numpy as np

from lambent_inference.models.contract import SegmentSemantics

FACTS = {"task": "semantic-segmentation", "family": "deep-lab", "classes": ["road", "sky"]}


def planes() -> np.ndarray:
    """Three planes on a 16 × 16 grid: sky above, road below, all sure; the right quarter unsure."""
    scores = np.zeros((3, 16, 16), np.float32)
    scores[2, :8] = 9
    scores[1, 8:] = 9
    scores[:, :, 12:] = 0
    return scores


def test_a_class_per_pixel_of_the_picture(answered, blank):
    (found,) = answered(SegmentSemantics(), {"out": planes()}, pictures=[blank(128, 96)], **FACTS)
    assert found.classes.shape == (96, 128)
    assert found.class_names == ("background", "road", "sky")
    assert (found.classes[:44, :92] == 2).all()
    assert (found.classes[52:, :92] == 1).all()
    assert (found.classes[:, 104:] == 0).all()
    assert (found.confidences[:44, :92] >= 254).all()
    assert abs(int(found.confidences[10, 120]) - 85) <= 1


def test_the_edges_of_a_fitted_picture_are_not_in_the_answer(answered, blank):
    (found,) = answered(
        SegmentSemantics(),
        {"out": planes()},
        pictures=[blank(64, 32)],
        input={"resize": "fit-black"},
        **FACTS,
    )
    assert found.classes.shape == (32, 64)
    assert (found.classes[:14, :44] == 2).all()
    assert (found.classes[18:, :44] == 1).all()
