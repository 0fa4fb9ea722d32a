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


def cost_plan_option(wildcards, input):
    """The folder of nnU-Net's plan, as an option."""
    plan = input.get("plan")
    return option("plan", Path(plan).parent if plan else None)


def cost_model(wildcards):
    """The model that measure_cost builds, as options."""
    if wildcards.model.startswith("nnunet-"):
        return "--model nnunet"
    recipe = light_recipe(wildcards.model)
    options = json.dumps(recipe.options)
    return f"--model {recipe.architecture} {option('options', options)}"


def faithfulness_predictions(wildcards):
    """Predictions of the faithfulness model on a method's images."""
    model = config["synthesis"]["faithfulness_model"]
    place = f"{wildcards.dataset}/{wildcards.method}/seed{wildcards.seed}"
    return f"<results>/faithfulness/{place}/{model}/predictions.json"
