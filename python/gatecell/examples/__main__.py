"""`python -m gatecell.examples` tells what there is."""

from . import __doc__ as examples

if __name__ == "__main__":
    print((examples or "").strip())
