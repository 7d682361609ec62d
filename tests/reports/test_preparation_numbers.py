import dataclasses

import pytest

from ugatit_tf.data.preparation.build import Domain, Dropped, Kept
from ugatit_tf.data.preparation.survey import Picture
from ugatit_tf.reports import preparation

PICTURE = Picture("x.png", width=400, height=300, side=300, colour=(100.0, 50.0, 200.0))


def domain(count=600, *, dropped=(), **changes):
    picture = dataclasses.replace(PICTURE, **changes)
    kept = tuple(Kept(picture, f"{'test' if n < 5 else 'train'}A/{n}.png") for n in range(count))
    return Domain("photos", 2, kept, tuple(Dropped(PICTURE, reason) for reason in dropped))


def warnings(a, b):
    domains = {"A": a, "B": b}
    return preparation.find_warnings(domains, {name: preparation.measure(each, 286) for name, each in domains.items()})


def test_a_domain_counts_itself():
    some = domain(20, dropped=["no face", "unreadable", "no face"])
    assert some.found == 23
    assert some.reasons == {"no face": 2, "unreadable": 1}
    assert [len(some.split(name)) for name in ("train", "test")] == [15, 5]


def test_numbers_by_hand():
    dark = dataclasses.replace(PICTURE, width=200, height=500, side=200, colour=(0.0, 0.0, 0.0), face=(0.4, 0.5, 0.6))
    bright = dataclasses.replace(PICTURE, colour=(200.0, 100.0, 50.0), face=(0.6, 0.5, 0.2))
    measured = preparation.measure(Domain("", 0, tuple(Kept(p, "trainA/x") for p in (dark, bright)), ()), 286)
    # 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2
    assert measured == {
        "width": 200,
        "height": 300,
        "enlarged": 1,
        "colour": [100.0, 50.0, 25.0],
        "brightness": [62.1, 62.1],
        "faces": 2,
        "face_x": [0.5, 0.1],
        "face_y": [0.5, 0.0],
        "face_size": [0.4, 0.2],
    }
    assert preparation.measure(Domain("", 0, (), ()), 286) == {}


def test_grounds_by_hand():
    plain = dataclasses.replace(PICTURE, ground=0.6, content=0.8)
    scene = dataclasses.replace(PICTURE, ground=0.2)
    measured = preparation.measure(Domain("", 0, tuple(Kept(p, "trainA/x") for p in (plain, scene)), ()), 286)
    assert (measured["ground"], measured["plain"], measured["content"]) == ([0.4, 0.2], 1, [0.8, 0.0])
    domains = {"A": domain(2, ground=0.6, content=0.8), "B": domain(2)}
    rows = preparation.rows(domains, {name: preparation.measure(each, 286) for name, each in domains.items()})
    assert rows[-3:] == [
        ("Ground's share", "60% ± 0%", "-"),
        ("On an even ground", "2", "0"),
        ("Size on an even ground", "80% ± 0%", "-"),
    ]


def test_pairs_that_may_be_copies_are_told():
    some = dataclasses.replace(domain(), alike=((PICTURE, PICTURE),))
    (text,) = warnings(some, domain())
    assert text.startswith("1 pairs of pictures of A may be copies. They are kept")


def test_nothing_is_said_of_good_data():
    assert warnings(domain(), domain()) == []
    assert warnings(domain(face=(0.5, 0.5, 0.5)), domain(face=(0.5, 0.5, 0.4))) == []


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (domain(60), domain(), ["A has 60 images; results are poor below about 500. Consider --diffaugment."]),
        (domain(), domain(499), ["B has 499 images; "]),
        (
            domain(dropped=["no face"] * 200),
            domain(dropped=["no face"] * 100),
            ["200 of 800 pictures of A were dropped: no face. The detector does not know drawings: use --crop_A"],
        ),
        (domain(dropped=["duplicate"] * 151), domain(), ["151 of 751 pictures of A were dropped: duplicate."]),
        (domain(side=285), domain(), ["600 of 600 images of A were enlarged, so they are blurred"]),
        (
            domain(face=(0.5, 0.5, 0.35)),
            domain(face=(0.5, 0.5, 0.8)),
            ["A and B are not consistent: faces fill 35% of the side in A and 80% in B. Make faces similar"],
        ),
    ],
)
def test_what_is_wrong_is_said(a, b, expected):
    found = warnings(a, b)
    assert len(found) == len(expected)
    assert all(text.startswith(start) for text, start in zip(found, expected, strict=True)), found


def test_few_faces_say_nothing_about_the_rest():
    some = domain(300, face=(0.5, 0.5, 0.1))
    rest = domain(301)
    mixed = dataclasses.replace(some, kept=some.kept + rest.kept)
    assert warnings(domain(face=(0.5, 0.5, 0.8)), mixed) == []


def test_a_table_for_people():
    domains = {"A": domain(1500, face=(0.5, 0.45, 0.6)), "B": domain(7, dropped=["unreadable"])}
    rows = preparation.rows(domains, {name: preparation.measure(each, 286) for name, each in domains.items()})
    assert {label: tuple(values) for label, *values in rows} == {
        "Pictures found": ("1,500", "8"),
        "Kept to train on": ("1,495", "2"),
        "Kept to test on": ("5", "5"),
        "Dropped": ("0", "1"),
        "Other files": ("2", "2"),
        "Median size": ("400 x 300", "400 x 300"),
        "Enlarged": ("0", "0"),
        "Mean red, green, blue": ("100, 50, 200", "100, 50, 200"),
        "Brightness": ("82 ± 0", "82 ± 0"),  # 29.9 + 29.35 + 22.8
        "Faces found": ("1,500", "0"),
        "Face's share": ("60% ± 0%", "-"),
        "Face from the left": ("50% ± 0%", "-"),
        "Face from the top": ("45% ± 0%", "-"),
    }


def test_of_a_domain_without_pictures_there_is_a_table_too():
    domains = {"A": domain(3), "B": domain(0, dropped=["unreadable"])}
    rows = preparation.rows(domains, {name: preparation.measure(each, 286) for name, each in domains.items()})
    assert [label for label, *_ in rows][-1] == "Other files"
