"""Raw image sets, the prepared-set format, and the demo's phantoms."""
