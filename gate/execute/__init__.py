"""From a plan to outcomes: owns every process that a run starts, suites and services alike.

Each child lives under a warden (`warden.py`, its own process) that ends the whole tree whatever happens to the gate.
`ward.py` is the gate's end of one warden; `process.py` runs suites, `services/` runs what they need, `scheduler.py`
decides what runs beside what. `command.py` and `environment.py` say, purely, what is to be run.
"""
