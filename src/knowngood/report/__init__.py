"""What people read: the report page of an evaluation, and verdicts as tables and heatmaps."""
