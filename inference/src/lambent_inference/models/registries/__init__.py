"""Where packages come from, by URI; `store.py` asks one after another."""
