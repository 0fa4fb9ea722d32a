# Look-ups of nnU-Net's mixes and settings.


def mix_synthetic(wildcards):
    """The synthetic cases of a mix, if it has any."""
    method = MIXES[wildcards.mix].get("method")
    if not method:
        return []
    return f"<results>/nnunet/{wildcards.dataset}/synthetic/{method}/seed{wildcards.seed}/cases.json"


def mix_option(wildcards, input):
    """The folder of a mix's synthetic cases, as an option."""
    cases = input.get("synthetic")
    return option("synthetic", Path(cases).parent if cases else None)


def mix_recipe(wildcards):
    """What a mix is made of, as JSON."""
    return json.dumps({k: v for k, v in MIXES[wildcards.mix].items() if k != "label"})


def nnunet_recipe(wildcards):
    """Settings of nnU-Net's training, as JSON."""
    return json.dumps(config["downstream"]["training"])


def network_option(wildcards):
    """A network in place of the one that nnU-Net plans, as an option."""
    network = config["downstream"]["training"].get("network")
    return option("network", json.dumps(network) if network else None)
