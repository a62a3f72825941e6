"""Lambda events by kind: `http.py` for requests in every dress, `records.py` for images in storage."""
