# How settings and inputs become the words of a step's command. No rule.

import json
import sys
from pathlib import Path

from workflow_src.common.errors import InputError
from workflow_src.data import inventory


def on_gpus(wildcards, resources):
    """How a step is started; where it asks for GPUs, with those that are free."""
    gpus = resources.get("gpu", 0)
    launch = ["-m", "workflow_src.common.launch", "--gpus", gpus] if gpus else []
    return ["python", *launch]


def a_process_each(wildcards, resources):
    """How a step is started that runs in a process on each of its GPUs."""
    gpus = resources.get("gpu", 0)
    several = ["--processes", gpus] if gpus > 1 else []
    return on_gpus(wildcards, resources) + several


def option(name, value):
    """An option of a script, as the words of a command, which the rule quotes; none of no value.

    It is one word, so that a value may begin with a dash.
    """
    return [f"--{name}={value}"] if value else []


def options(**named):
    """Settings as options of a step: plain values, and look-ups by wildcards.

    Snakemake reruns a job whose parameter changed, unless that was looked up in its input: so what
    a user sets stands here or in `names`, and `files` holds paths alone.
    """

    def look_up(wildcards):
        return [
            word
            for name, value in named.items()
            for word in option(name, value(wildcards) if callable(value) else value)
        ]

    return look_up


def files(**named):
    """A job's input as options of a step, each by a look-up."""

    def look_up(wildcards, input):
        return [
            word
            for name, value in named.items()
            for word in option(name, value(wildcards, input))
        ]

    return look_up


def path_of(name):
    """An input's file."""
    return lambda wildcards, input: input[name]


def folder_of(name):
    """The folder of an input's file."""
    return lambda wildcards, input: str(Path(input[name]).parent)


def folders(name):
    """The folders of an input's files, as JSON."""
    return lambda wildcards, input: json.dumps(
        [str(Path(f).parent) for f in input[name]]
    )


def as_json(name):
    """An input's files, as JSON."""
    return lambda wildcards, input: json.dumps(list(input[name]))


def differing(model, settings):
    """What differs from the defaults, as JSON: braces in a plain text would be wildcards."""
    return lambda wildcards: json.dumps(model(**settings).differing())


def as_given(value):
    """A setting as it is; a function, since braces in a plain text would be wildcards."""
    return lambda wildcards: value


def as_text(value):
    """A setting as JSON; a function, since braces in a plain text would be wildcards."""
    return lambda wildcards: json.dumps(value, ensure_ascii=False)


def fingerprint(path):
    """Names and contents of files of the user's own: a changed one reruns the job.

    Args:
        path: of a file or folder, or its look-up; null holds nothing.
    """

    def look_up(wildcards):
        place = path(wildcards) if callable(path) else path
        try:
            return inventory.fingerprint(place) if place else ""
        except InputError as error:
            sys.exit(str(error))

    return look_up
