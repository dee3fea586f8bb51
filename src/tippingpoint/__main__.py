"""`python -m tippingpoint`: the same as the command `tippingpoint`."""

from tippingpoint.cli.main import main

if __name__ == "__main__":
    main()
