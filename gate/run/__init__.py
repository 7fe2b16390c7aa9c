"""The story: one short function per command, wiring the edges to the pure core.

`declaration` turns files and options into a plan, `release` carries a plan out, `stored` judges and renders what an
earlier run left behind, `starter` writes a first manifest, `drill` proves that the gate can fail.
"""
