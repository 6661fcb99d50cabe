"""Files for Prometheus and Grafana.

- `panels`: what a dashboard consists of, and its form in Grafana's JSON
- `boards`: the dashboards of this package
- `prometheus`: the rules and the configuration for Prometheus
- `writing`: all files, into a folder
"""
