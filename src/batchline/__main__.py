"""Run the command line as `python -m batchline`."""

from batchline.cli.main import main

if __name__ == "__main__":
    main()
