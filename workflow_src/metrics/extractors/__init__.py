"""Networks whose features images are compared by: a file each, named in study/registries.py."""
