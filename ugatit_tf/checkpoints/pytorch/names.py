"""What the generators of znxlwm/UGATIT-pytorch call their parameters, and what ours do, in two columns."""

# The networks. Theirs are named after the way, ours after the result.
NETWORKS = {"genA2B": "generator_B", "genB2A": "generator_A"}
OTHERS = ("disGA", "disGB", "disLA", "disLB")
FIRST, MLP = "DownBlock.1.weight", "FC.0.weight"


def table(n_res: int) -> list[tuple[str, str]]:
    """A generator's parameters: the port's names, and ours; a name of ours that comes twice is of two side by side."""
    blocks = [(i, j) for i in range(n_res) for j in (1, 2)]
    return [
        ("DownBlock.1.weight", "conv/kernel"),
        ("DownBlock.5.weight", "conv_0/kernel"),
        ("DownBlock.9.weight", "conv_1/kernel"),
        *(
            (f"DownBlock.{12 + i}.conv_block.{4 * j - 3}.weight", f"resblock_{i}/res{j}/conv_0/kernel")
            for i, j in blocks
        ),
        ("gap_fc.weight", "CAM_logit/kernel"),
        ("gmp_fc.weight", "CAM_logit/kernel"),
        ("conv1x1.weight", "conv_1x1/kernel"),
        ("conv1x1.bias", "conv_1x1/bias"),
        ("FC.0.weight", "MLP/linear_0/kernel"),
        ("FC.2.weight", "MLP/linear_1/kernel"),
        ("gamma.weight", "MLP/gamma/kernel"),
        ("beta.weight", "MLP/beta/kernel"),
        *((f"UpBlock1_{i + 1}.conv{j}.weight", f"adaptive_resblock{i}/res{j}/conv_0/kernel") for i, j in blocks),
        *((f"UpBlock1_{i + 1}.norm{j}.rho", f"adaptive_resblock{i}/res{j}/instance_layer_norm/rho") for i, j in blocks),
        ("UpBlock2.2.weight", "up_conv_0/kernel"),
        ("UpBlock2.3.rho", "layer_ins_norm_0/rho"),
        ("UpBlock2.3.gamma", "layer_ins_norm_0/gamma"),
        ("UpBlock2.3.beta", "layer_ins_norm_0/beta"),
        ("UpBlock2.7.weight", "up_conv_1/kernel"),
        ("UpBlock2.8.rho", "layer_ins_norm_1/rho"),
        ("UpBlock2.8.gamma", "layer_ins_norm_1/gamma"),
        ("UpBlock2.8.beta", "layer_ins_norm_1/beta"),
        ("UpBlock2.11.weight", "G_logit/kernel"),
    ]


def constants(n_res: int) -> dict[str, float]:
    """What only our generator has: our names, and the values with which it computes the same as without."""
    norms = ["ins_norm", "ins_norm_0", "ins_norm_1"]
    norms += [f"resblock_{i}/res{j}/instance_norm" for i in range(n_res) for j in (1, 2)]
    layers = {ours.removesuffix("/kernel") for _, ours in table(n_res) if ours.endswith("/kernel")} - {"conv_1x1"}
    scales, shifts = [f"{norm}/gamma" for norm in norms], [f"{name}/beta" for name in norms]
    return dict.fromkeys(scales, 1.0) | dict.fromkeys(shifts + [f"{layer}/bias" for layer in sorted(layers)], 0.0)
