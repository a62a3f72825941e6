"""The first code that runs in a Python sandbox: `python3.x -S -B /var/runtime/bootstrap.py`.

A script is compiled at every start, so this one only hands over to the package beside it, whose
bytecode is cached. Its next stop is lambent_runtime/main.py.
"""

if __name__ == "__main__":
    from lambent_runtime.main import main  # type: ignore[import-not-found]  # beside this script

    main()
