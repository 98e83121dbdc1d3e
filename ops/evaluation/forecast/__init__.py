"""The report of a forecast: beside persistence and a baseline, by step ahead, with samples."""
