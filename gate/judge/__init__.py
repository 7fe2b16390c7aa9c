"""The decision, pure: a plan, what happened and the evidence in; findings and the record out.

`suite.judge_suite` judges one suite, `record.judge_run` the whole run. Nothing here reads a file, a clock or the
environment, so that stored evidence gives the same record again, byte for byte.
"""
