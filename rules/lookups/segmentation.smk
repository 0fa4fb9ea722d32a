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


def tolerance_option(wildcards):
    """The tolerance of a data set's surface Dice, as an option; nothing where it has none."""
    return option("tolerance", DATASETS[wildcards.dataset]["tolerance"])


def light_networks(wildcards):
    """The networks of the light segmenters, as JSON."""
    recipes = {model: light_recipe(model) for model in LIGHT_MODELS}
    return json.dumps(
        {
            model: {"architecture": recipe.architecture, "options": recipe.options}
            for model, recipe in recipes.items()
        }
    )


def light_costs(wildcards, output):
    """The files of what the light segmenters cost, as JSON, in their order."""
    return json.dumps(list(output))


def all_segmenters(wildcards):
    """Where the networks of the light segmenters lie."""
    return sorted({SEGMENTERS[light_recipe(m).architecture] for m in LIGHT_MODELS})


def plan_option(wildcards, input):
    """The folder of nnU-Net's plan, as an option."""
    return option("plan", Path(input.plan).parent)


def faithfulness_predictions(wildcards):
    """Predictions of the faithfulness model on a method's images."""
    model = config["synthesis"]["faithfulness_model"]
    place = f"{wildcards.dataset}/{wildcards.method}/seed{wildcards.seed}"
    return f"<results>/faithfulness/{place}/{model}/predictions.json"
