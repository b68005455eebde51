"""Evaluation: recnews, trained and asked as its users do, beside plain methods on the same articles.

`similarity` says how well texts are told apart: which body belongs to a title, what people find alike.
"""
