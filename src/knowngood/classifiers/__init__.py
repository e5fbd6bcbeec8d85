"""Methods that learn from good parts and defects; one file a method, all of them in `CLASSIFIERS`."""

from knowngood.classifiers.registry import CLASSIFIERS, make_classifier

__all__ = ["CLASSIFIERS", "make_classifier"]
