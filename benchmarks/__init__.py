"""What is measured, against whom, as ratios."""
