"""When is a caption true of a picture? The catalogue's rule, on arrays.

Go's demo/catalogue (Matches) decides this one pair at a time; training needs
every caption against every picture of a batch. test_matching.py holds the two
together by the catalogue's own test vector.
"""

from dataclasses import dataclass

import numpy as np

OPEN = -1  # in a group: nothing is said of this attribute
NONE = -9  # fills rows of objects and groups that are not there
LEFT_OF, ON, INSIDE, BESIDE = range(4)


@dataclass
class Records:
    """What pictures show: objects [n, most, 6] (type, colour, pattern, size, part, part);
    holds [n, 4, most, most]: kind of relation, first object, second object."""

    objects: np.ndarray
    holds: np.ndarray

    def __getitem__(self, rows):
        return Records(self.objects[rows], self.holds[rows])

    def __len__(self):
        return len(self.objects)


@dataclass
class Specs:
    """What captions claim: groups [n, most, 7] (count, then as objects); wants [n, most, 3] (kind, group, group)."""

    groups: np.ndarray
    wants: np.ndarray

    def __getitem__(self, rows):
        return Specs(self.groups[rows], self.wants[rows])

    def __len__(self):
        return len(self.groups)


def matches(specs: Specs, records: Records) -> np.ndarray:
    """bool [specs, pictures]: which caption is true of which picture."""
    spread = Specs(specs.groups[:, None], specs.wants[:, None])
    return true_of(spread, Records(records.objects[None], records.holds[None]))


def matches_own(specs: Specs, records: Records) -> np.ndarray:
    """bool [n]: is caption i true of picture i?"""
    return true_of(specs, records)


def true_of(specs: Specs, records: Records) -> np.ndarray:
    """The rule for any leading dimensions that broadcast."""
    count, named = specs.groups[..., 0], specs.groups[..., 1:]
    fits = named_fits(named, records.objects)  # [..., groups, objects]
    n = fits.sum(-1)
    ok = ((n > 0) & ((count == 0) | (n == count)) | (count == NONE)).all(-1)
    for slot in range(specs.wants.shape[-2]):
        ok &= related(specs.wants[..., slot, :], fits, records.holds)
    return ok


def named_fits(named, objects):
    """bool [..., groups, objects]: the type is equal, every other attribute equal or open."""
    g, o = named[..., :, None, :], objects[..., None, :, :]
    fits = g[..., 0] == o[..., 0]
    for i in range(1, named.shape[-1]):  # attribute by attribute: no array of all of them at once
        fits = fits & ((g[..., i] == OPEN) | (g[..., i] == o[..., i]))
    return fits


def related(want, fits, holds):
    """bool: some object of the first group stands so to some object of the second; true where nothing is wanted."""
    kind, a, b = want[..., 0], want[..., 1], want[..., 2]
    asked = np.broadcast_to(kind != NONE, fits.shape[:-2])
    ok = ~asked
    at = np.nonzero(asked)
    if not len(at[0]):
        return ok
    pick = lambda x: np.broadcast_to(x, asked.shape)[at]
    chosen = fits[at]
    rows = np.arange(len(chosen))
    first, second = chosen[rows, pick(a)], chosen[rows, pick(b)]
    most = holds.shape[-1]
    held = np.broadcast_to(holds, asked.shape + (4, most, most))[(*at, pick(kind))]
    ok[at] = (first[:, :, None] & second[:, None, :] & held).any((1, 2))
    return ok
