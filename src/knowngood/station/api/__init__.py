"""The programming interface of a station, version 1, and two of other products."""
