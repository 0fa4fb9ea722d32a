# Look-ups of the light segmenters, and of what is scored.


def segmenter_recipe(wildcards):
    """Settings of a light segmenter's training, as JSON."""
    return json.dumps(light_recipe(wildcards.light).differing())


def segmenter_data(wildcards):
    """The prepared set of a light segmenter."""
    view = view_of(wildcards.light)
    return f"<results>/data/{wildcards.dataset}/{view}/meta.json"


def scored_data(wildcards):
    """The prepared set that a model was tested on."""
    return f"<results>/data/{wildcards.dataset}/{view_of(wildcards.model)}/meta.json"


def cost_plan(wildcards):
    """nnU-Net's plan, where the model is one."""
    if wildcards.model.startswith("nnunet-"):
        return f"<results>/nnunet/{wildcards.dataset}/plan/plan.json"
    return []


def cost_options(wildcards, input):
    """What measure_cost needs to build a model."""
    if wildcards.model.startswith("nnunet-"):
        return f"--model nnunet --plan {Path(input.plan).parent}"
    recipe = light_recipe(wildcards.model)
    options = json.dumps(recipe.options)
    return f"--model {recipe.architecture} {option('options', options)}"
