"""What everything else rests on: state (`frame`, `variable`, `lift`), graphs (`symbolic`) and the `Layer`.

Read in this order: `frame` (where values live while a function is traced), `variable`, `lift` (stateful code made pure),
`tree` (how weights and sub-layers are found and named), `layer` (the pipeline of a layer call).
"""
