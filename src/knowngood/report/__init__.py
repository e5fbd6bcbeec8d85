"""From an evaluation to exhibits, and from exhibits to a page or to slides; verdicts and pictures as files.

One module per subject (`detection`, `reconstruction`, `confidence`, `classification`, `training`) turns an
evaluation into exhibits, and `page` and `deck` print these.
"""
