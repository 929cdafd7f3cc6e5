"""`python -m gateway` does what `rulegate` does."""

from gateway.cli import main

if __name__ == "__main__":
    main()
