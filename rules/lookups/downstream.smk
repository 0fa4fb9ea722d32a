# Look-ups of nnU-Net's mixes and settings.

from workflow_src.study.downstream import Mix, NnunetRecipe


def mix_synthetic(wildcards):
    """The synthetic cases of a mix, if it has any."""
    fits(check_mix, wildcards.mix)
    method = MIXES[wildcards.mix]["method"]
    if not method:
        return []
    return f"<results>/nnunet/{wildcards.dataset}/synthetic/{method}/seed{wildcards.seed}/cases.json"


def mix_option(wildcards, input):
    """The folder of a mix's synthetic cases, as an option."""
    cases = input.get("synthetic")
    return option("synthetic", Path(cases).parent if cases else None)


def mix_recipe(wildcards):
    """What a mix is made of, as JSON."""
    mix = {k: v for k, v in MIXES[wildcards.mix].items() if k != "label"}
    return json.dumps(Mix(**mix).differing())


def nnunet_recipe(wildcards):
    """Settings of nnU-Net's training, as JSON; mirroring is of its predictions."""
    training = {
        k: v for k, v in config["downstream"]["training"].items() if k != "mirror"
    }
    return json.dumps(NnunetRecipe(**training).differing())


def network_option(wildcards):
    """A network in place of the one that nnU-Net plans, as an option."""
    network = config["downstream"]["training"]["network"]
    return option("network", json.dumps(network) if network else None)
