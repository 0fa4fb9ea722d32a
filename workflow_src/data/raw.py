"""Raw image sets: what a reader of a format must be, and the one that a study's reading names."""

    require_options(RAW_FORMATS, reading.format, "a raw format", reading.options)
    known = options_of(RAW_FORMATS[reading.format])
    given = vars(reading) | reading.options | {"threads": threads, "sample": sample}
    settings = {key: given[key] for key in known if given.get(key) is not None}
    return member(RAW_FORMATS, reading.format, "a raw format")(root, **settings)
