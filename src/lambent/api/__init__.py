"""The front door: app → route → parse → validate → auth → operations → serialise."""
