"""The inspection station: a service and pages that a production line can live with (extra `station`).

`app` joins the parts, `serve` runs them. `models` are the tables, `storage` the pictures, `workers` the
processes that inspect, `inspecting` the way of a picture from its upload to its verdict; `access` says who
may do what.
"""
