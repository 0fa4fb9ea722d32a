# Look-ups of nnU-Net's mixes and settings.

from workflow_src.study.downstream import Mix, NnunetRecipe


def mix_synthetic(wildcards):
    """The synthetic cases of a mix, if it has any."""
    fits(check_mix, wildcards.mix)
    method = MIXES[wildcards.mix]["method"]
    if not method:
        return []
    return f"<results>/nnunet/{wildcards.dataset}/synthetic/{method}/seed{wildcards.seed}/cases.json"


def mix_preset(wildcards):
    """The plan of a mix's preset of nnU-Net, if it has one."""
    preset = MIXES[wildcards.mix]["resenc"]
    if not preset:
        return []
    return f"<results>/nnunet/{wildcards.dataset}/resenc_{preset}/plan.json"


def mix_judged(wildcards):
    """How well the masks of a mix's synthetic images are found, if it keeps these alone."""
    mix = MIXES[wildcards.mix]
    if mix["found"] is None:
        return []
    place = f"{wildcards.dataset}/{mix['method']}/seed{wildcards.seed}"
    return f"<results>/faithfulness/{place}/metrics.json"


def mix_plan(wildcards):
    """The plan of a mix's network."""
    default = f"<results>/nnunet/{wildcards.dataset}/plan/plan.json"
    return mix_preset(wildcards) or default


def mix_options(wildcards, input):
    """The folders of a mix's synthetic cases, its preset's plan and its scores, as options."""
    return [
        word
        for name in ("synthetic", "resenc", "judged")
        if (file := input.get(name))
        for word in option(name, Path(file).parent)
    ]


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
