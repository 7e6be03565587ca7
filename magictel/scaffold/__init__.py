"""The package that `magictel new exporter` writes: files with the name acme, which the given name replaces.

`shared` is part of every kind, the other folders are one kind each. A file of a kind replaces the shared one of the same name.
"""
