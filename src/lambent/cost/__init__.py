"""Prices, billing and estimates, in picodollars."""
