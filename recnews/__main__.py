"""`python -m recnews` is `recnews`."""

from recnews.cli import main

if __name__ == "__main__":
    main()
