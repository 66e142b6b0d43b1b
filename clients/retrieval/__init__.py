"""Finding the items worth scoring in a catalogue that is too large to score for every request.

An index over item vectors, the items for which a user's history speaks and the popular ones give
candidates; these are then scored by the fusion exactly (`clients.retrieval.candidates`).
"""
