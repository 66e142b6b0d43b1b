"""Ingestion of many events in bounded memory, beside plain pandas."""
