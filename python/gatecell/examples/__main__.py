"""`python -m gatecell.examples` lists the examples."""

from . import __doc__ as examples

if __name__ == "__main__":
    print((examples or "").strip())
