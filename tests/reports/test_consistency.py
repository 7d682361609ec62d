import pytest

from ugatit_tf.reports.consistency import describe

GOOD = {"brightness": [120.0, 9.0], "ground": [0.5, 0.1], "plain": 10, "content": [0.8, 0.1]}
FACES = {"faces": 10, "face_size": [0.5, 0.1]}


def told(a, b):
    return describe({"A": GOOD | a, "B": GOOD | b}, {"A": 10, "B": 10})


def test_similar_domains_are_consistent():
    assert told({}, {"brightness": [150.0, 3.0]}) == (
        True,
        "A and B are consistent: they are similar in size, ground and brightness.",
    )


@pytest.mark.parametrize(
    ("a", "b", "text"),
    [
        (
            FACES,
            FACES | {"face_size": [0.65, 0.0]},
            "faces fill 50% of the side in A and 65% in B. Make faces similar by",
        ),
        (
            {},
            {"content": [0.6, 0.0]},
            "heads or drawings fill 80% of the side in A and 60% in B. Give both the same room",
        ),
        ({}, {"ground": [0.2, 0.0]}, "the ground fills 50% of A and 20% of B. Use pictures on a ground"),
        (
            {},
            {"brightness": [200.0, 0.0]},
            "the mean brightness is 120 of 255 in A and 200 in B. Use pictures of similar",
        ),
    ],
)
def test_each_difference_is_told_with_what_to_do(a, b, text):
    is_consistent, found = told(a, b)
    assert not is_consistent
    assert found.startswith(f"A and B are not consistent: {text}")


def test_several_differences_are_one_text():
    _, found = told({}, {"ground": [0.2, 0.0], "brightness": [200.0, 0.0]})
    assert "20% of B; the mean brightness" in found


@pytest.mark.parametrize("change", [{"faces": 5}, {"face_size": [0.55, 0.0]}])
def test_faces_count_only_if_most_pictures_of_both_show_one(change):
    assert told(FACES, FACES | change | {"content": [0.7, 0.0]})[0]


def test_surveys_without_grounds_are_compared_by_what_they_have():
    old = {"A": {"brightness": [10.0, 0.0]}, "B": {"brightness": [20.0, 0.0]}}
    assert describe(old, {"A": 3, "B": 3}) == (True, "A and B are consistent: they are similar in brightness.")
    assert describe({"A": {}, "B": GOOD}, {"A": 0, "B": 10}) == (True, "")
