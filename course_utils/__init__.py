"""The small helper library that the lessons import.

It does the plumbing (loading, caching, data, drawing, checking) so that a lesson's cells can show the idea.
Importing this package does no work and loads neither torch nor scikit-learn: each lesson imports the module it needs.
"""
