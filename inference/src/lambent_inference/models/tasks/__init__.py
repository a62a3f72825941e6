"""What models are for: per family, how a question becomes tensors and how tensors become answers."""
