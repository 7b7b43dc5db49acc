"""Ill-formed models, one a message or two. `tests/golden/<name>.txt` holds what each must say."""

from __future__ import annotations

IN = "    input image: 28x28x3\n"


def model(*lines: str, before: str = "", after: str = "") -> str:
    """A model around some lines."""
    body = "".join(f"    {line}\n" for line in lines)
    return f"{before}model m {{\n{IN}{body}}}\n{after}"


def recipe(*lines: str, kind: str = "train") -> str:
    """A good model with a recipe."""
    return model(
        "flatten", "dense(10) as logits", "softmax as p", after=f"{kind} {{\n" + "".join(f"    {x}\n" for x in lines) + "}\n"
    )


LOSS, SGD, EPOCHS = "loss = cross_entropy(logits)", "optimizer = sgd(rate = 0.1)", "epochs = 40"


def whole(*lines: str) -> str:
    """A good model with a recipe that says all that training needs, and these lines."""
    return recipe(LOSS, SGD, EPOCHS, *lines)


BOTTLENECK = """block conv_bn(filters, kernel = 1x1) { conv(filters, kernel, pad = same_symmetric, bias = false) -> batch_norm }
block bottleneck(width) {
    add {
        main: conv_bn(width) -> relu -> conv_bn(4 * width)
        skip: identity
    }
}
"""
OPTIONS = "block b(option = B | A | C, width = 3) {\n    if option == A { relu } else { conv(width, 1x1) }\n}\n"

BAD: dict[str, str] = {
    # text
    "unclosed_parenthesis": model("conv(6, 5x5", "relu"),
    "unclosed_before_a_name": model("flatten", "dense(10 as logits", "softmax"),
    "unclosed_before_a_shape": model("max_pool(2x2 : 14x14x3", "relu"),
    "unclosed_before_an_arrow": model("conv(6, 5x5, pad = same -> relu : 28x28x6"),
    "unclosed_in_a_branch": model("add { main: conv(3, 1x1; skip: identity }", "{ conv(6, 1x1, bias = false } * 2"),
    "unclosed_in_a_recipe": recipe("loss = cross_entropy(logits", "schedule = warmup(5 -> cosine", "batch = 8"),
    "unclosed_brace": "model m {\n    input i: 3x3x1\n    relu\n",
    "unclosed_block": BOTTLENECK.replace("    }\n}\n", "    }\n") + recipe("batch = 8"),
    "unclosed_join": BOTTLENECK.replace("    }\n}\n", "}\n") + recipe("batch = 8"),
    "brace_of_a_block_missing": BOTTLENECK.replace("bottleneck(width) {", "bottleneck(width)") + recipe("batch = 8"),
    "brace_too_many": BOTTLENECK.replace("skip: identity", "skip: identity }") + recipe("batch = 8"),
    "stray_brace": model("relu") + "}\n",
    "trailing_arrow": model("relu ->"),
    "trailing_arrow_in_a_branch": model("add { a: relu ->; b: identity }"),
    "size_with_a_name": model("conv(6, 1xn)"),
    "reserved_word": "model input {\n}\n",
    "reserved_as_name": model("relu as for"),
    "missing_comma": "block b(filters kernel) { relu }\n" + model("relu"),
    "missing_colon": "model m {\n    input image 28x28x1\n}\n",
    "view_larger_than_the_pictures": recipe("views = resize(32) -> ten_crop(40)", kind="eval crops"),
    "view_larger_than_small_pictures": recipe("views = resize(20) -> flip -> six_crop(24)", kind="eval"),
    "view_from_beyond_the_pictures": recipe("views = resize(32x32) -> crop(28, at = [2, 5])", kind="eval"),
    "views_of_another_size": recipe("views = resize([32, 36]) -> ten_crop(26) -> flip", kind="eval"),
    "views_of_another_shorter_side": recipe("views = resize([28, 36]) -> flip", kind="eval"),
    "views_padded_beyond_the_input": recipe("views = resize([32, 36]) -> squares -> pad(2)", kind="eval"),
    "two_commas": model("conv(6,, 5x5)"),
    "single_quotes": recipe("labels = ['a']", kind="preprocess"),
    "decimal_comma_in_a_recipe": recipe(
        "optimizer = sgd(0,1)", "augment = affine(0,5) -> shift(2)", "loss = cross_entropy(logits)"
    ),
    "decimal_comma_refused": recipe("optimizer = sgd(rate = 0,1)", "average = ema(0,999)", "schedule = step(30, 0,1)"),
    "decimal_comma_among_momenta": recipe("optimizer = sgd(0,1, 0,9)"),
    "decimal_comma_of_ops": model("dropout(0,5)", "dropout(rate = 0,5)", "leaky_relu(0, 1)"),
    "rate_of_zero": recipe("optimizer = sgd(rate = 0, momentum = 0.9)", LOSS, EPOCHS),
    "whole_number_with_an_exponent": recipe("batch = 1e3", "epochs = 2.0", "seed = 0.5"),
    "newer_version": "cnn 2\n" + model("relu"),
    "late_version": model("relu") + "cnn 1\n",
    "control_character": model("relu \x07"),
    "no_model": "block b { relu }\ntrain { batch = 3 }\n",
    # names
    "unknown_op": model("conv(6, 5x5) -> rellu"),
    "unknown_name": model("conv(fliters, 5x5)"),
    "unknown_option": model("conv(6, 5x5, strid = 2)"),
    "unknown_word": model("conv(6, 5x5, pad = sane)"),
    "unknown_block_word": model("b(option = D)", before=OPTIONS),
    "unknown_word_compared": model("relu", "b", before=OPTIONS.replace("== A", "== D")),
    "unknown_side": model("conv(input.chanels, 1x1)"),
    "unknown_branch": model("conv(3, 1x1) as early", "concat { erly; up: identity }"),
    "unknown_template": "model k = resnett(n = 3)\n",
    "given_twice": model("conv(6, 5x5, stride = 1, stride = 2)"),
    "too_many_arguments": model("relu(3)"),
    "positional_after_key": model("conv(filters = 6, 5x5)"),
    "missing_option": model("conv(6)"),
    "missing_block_argument": model("bottleneck", before=BOTTLENECK),
    "unknown_block_argument": model("bottleneck(widht = 3)", before=BOTTLENECK),
    "name_taken": model("conv(3, 1x1) as a", "conv(3, 1x1) as a"),
    "name_of_an_op": model("conv(3, 1x1) as relu"),
    "name_of_a_block": model("relu as bottleneck", before=BOTTLENECK),
    "two_blocks": model("relu", before="block b { relu }\nblock b { tanh }\n"),
    "two_models": model("relu") + model("tanh"),
    "two_inputs_of_one_name": model("input image: 3x3x1", "image -> relu"),
    "equal_weight_names": model("conv(3, 1x1)", "conv(3, 1x1)", "conv(3, 1x1) as conv3", "conv(3, 1x1)"),
    "tensor_as_a_number": model("conv(6, 1x1) as a", "conv(a, 1x1)"),
    "number_as_a_step": model("for n in [1, 2] { n }"),
    "value_in_the_middle": model("relu as a -> tanh -> a"),
    "nothing_flows": "model m {\n    input a: 4x4x1\n    input b: 4x4x1\n    relu\n}\n",
    "no_input": "model m {\n    relu\n}\n",
    "no_steps": "model m {\n    input i: 3x3x1\n}\n",
    "input_in_a_block": model("b", before="block b { input i: 3x3x1 }\n"),
    "branches_of_an_op": model("relu { a: tanh }"),
    "join_without_branches": model("add"),
    "loss_as_a_step": model("cross_entropy"),
    "use_above": 'use "../secret.cnn"\n' + model("relu"),
    # values and shapes
    "wrong_shape": model("conv(6, 5x5, pad = 2) : 28x28x6", "max_pool(2x2) : 14x14x7"),
    "wrong_rank": model("flatten : 28x28x3"),
    "kernel_too_large": model("conv(6, 29x29)"),
    "even_kernel": model("conv(6, 2x2, pad = same_symmetric)"),
    "number_for_a_kernel": model("conv(6, 5)"),
    "word_for_a_number": model("conv(same, 5x5)"),
    "number_for_a_truth_value": model("conv(6, 5x5, bias = 1)"),
    "stride_of_zero": model("conv(6, 5x5, stride = 0)"),
    "filters_of_zero": model("conv(0, 5x5)"),
    "groups_of_zero": model("conv(6, 5x5, groups = 0)"),
    "groups_that_do_not_divide": model("conv(6, 5x5, groups = 2)"),
    "three_strides": model("conv(6, 5x5, stride = [1, 2, 3])"),
    "dropout_of_one": model("dropout(1.0)"),
    "dense_on_an_image": model("dense(10)"),
    "branches_differ": model("bottleneck(64)", before=BOTTLENECK),
    "branches_differ_in_a_repetition": model(
        "conv(64, 1x1)", "bottleneck(16) * 2", "bottleneck(8) * 3 as deep", before=BOTTLENECK
    ),
    "branches_differ_in_size": model("concat { a: conv(3, 3x3); b: identity }"),
    "three_to_subtract": model("subtract { a: relu; b: tanh; c: identity }"),
    "division_by_zero": model("conv(6 // (3 - 3), 1x1)"),
    "fraction": model("conv(7 / 2, 1x1)"),
    "fractional_repetition": model("relu * (7 / 2)"),
    "negative_repetition": model("relu * (2 - 3)"),
    "index_beyond": model("conv([1, 2][2], 1x1)"),
    "words_added": model("b(width = 1 + true)", before=OPTIONS),
    "number_as_condition": model("if 1 { relu }"),
    "for_over_a_number": model("for i in 3 { relu }"),
    "unpacking": model("for a, b in [[1, 2], [3]] { conv(a, 1x1) }"),
    "condition_on_a_size": "model m {\n    input i: HxWx3 where H > 32\n    relu\n}\n",
    "undecidable_stride": "model m {\n    input i: HxWx3\n    max_pool(2x2)\n}\n",
    # limits
    "endless_recursion": model("b(1)", before="block b(n) { relu; b(n + 1) }\n"),
    "tower": model("b(9)", before="block b(n) { b(n * n) }\n"),
    "billion": model("relu * 1000000000"),
    "loops_in_loops": model("for i in range(9999) { for j in range(9999) { { } } }"),
    "long_list": model("for i in [0] * 10001 { relu }"),
    "long_range": model("for i in range(1000000) { relu }"),
    "large_input": "model m {\n    input i: 100000x100000x3\n    relu\n}\n",
    "large_tensor": model("conv(2000000, 3x3, pad = same)", "conv(2000000, 1x1)"),
    # recipes
    "unknown_key": recipe("optimiser = sgd(rate = 0.1)"),
    "unknown_optimizer": recipe("optimizer = sgdd(rate = 0.1)"),
    "unknown_optimizer_option": recipe("optimizer = sgd(rate = 0.1, momentm = 0.9)"),
    "missing_rate": recipe("optimizer = sgd(momentum = 0.9)"),
    "momentum_of_two": recipe("optimizer = sgd(rate = 0.1, momentum = 2)"),
    "unknown_schedule": recipe("schedule = cosin"),
    "step_without_epochs": recipe("schedule = step(factor = 0.1)"),
    "unknown_loss": recipe("loss = cros_entropy(logits)"),
    "loss_of_nothing": recipe("loss = cross_entropy(logit)"),
    "loss_of_a_softmax": recipe("loss = cross_entropy(p)", "batch = 3"),
    "loss_of_the_output": recipe("loss = cross_entropy(output)"),
    "loss_without_a_loss": recipe("loss = 0.3 * 2"),
    "unknown_image_step": recipe("augment = flipp -> shift(2)"),
    "unknown_image_option": recipe("augment = affine(rotat = 3)"),
    "range_backwards": recipe("augment = affine(scale = 2..1)"),
    "batch_of_zero": recipe("batch = 0", "epochs = 2.5", "validate = 3"),
    "validation_from_elsewhere": recipe('validate = "../pictures"'),
    "parts_of_a_batch": recipe("batch = 50", "accumulate = 4"),
    "parts_of_a_batch_as_a_word": recipe("accumulate = [2, 2]", "gradient_accumulation = 4"),
    "epochs_and_steps": recipe("epochs = 2", "steps = 3"),
    "data_as_a_number": recipe("data = 3"),
    "unknown_data": recipe("data = digitz"),
    "data_by_a_path": recipe('data = "pets/photos"'),
    "freeze_of_nothing": recipe("freeze = [logits, stem.conv]"),
    "equal_labels": recipe("labels = [a, b, a]", kind="preprocess"),
    "recipe_twice": recipe("batch = 3") + "train { batch = 4 }\n",
    "unknown_recipe_word_of_another": recipe("views = flip"),
    "options_out_of_order": recipe("optimizer = sgd(rate = 0.1, 0.9)"),
    "half_a_step": recipe("schedule = step(every = 2.5)"),
    "warm_up_in_the_middle": recipe("schedule = cosine -> warmup(3)"),
    "two_losses_in_a_product": recipe("loss = cross_entropy(logits) * mse(logits, target)"),
    "loss_without_a_value": recipe("loss = cross_entropy"),
    "option_of_a_loss": recipe("loss = cross_entropy(logits, smoothing = 0.1)"),
    "flip_in_preprocess": recipe("images = flip -> resize(28x28)", kind="preprocess"),
    "range_in_preprocess": recipe("images = resize(28..32)", kind="preprocess"),
    "labels_that_are_none": recipe("labels = 10", kind="preprocess"),
    "many_pictures_in_augment": recipe("augment = ten_crop(24)"),
    "views_drawn": recipe("views = random_crop(24)", kind="eval"),
    "unknown_metric": recipe("metrics = [accuracy, top_5]", kind="eval"),
    "unknown_reduction": recipe("reduce = sum", kind="eval"),
    "input_of_a_task": recipe("input = flip", "jitter = -1", kind="task"),
    "unknown_precision": recipe("precision = fp8"),
    "clip_without_a_number": recipe("clip = norm"),
    "average_of_one": recipe("average = ema(1)"),
    "recipe_without_the_rest": recipe("batch = 8", LOSS) + "train long {\n    epochs = 40\n}\n",
    "task_without_the_rest": model("conv(3, 1x1)", after="task t {\n    optimizer = adam(0.01)\n}\n"),
    "task_with_a_rate_of_zero": model(
        "conv(3, 1x1)",
        after="task t {\n    loss = mse(output, image)\n    input = meshgrid\n    optimizer = adam(0)\n    steps = 9\n}\n",
    ),
    "task_without_weights": model("conv(3, 1x1)", after="task t {\n    loss = mse(image, image)\n}\n"),
    "momentum_of_one": recipe(LOSS, "optimizer = sgd(rate = 0.1, momentum = 1)", EPOCHS),
    "steps_that_do_not_ascend": whole("schedule = step(at = [5, 3])"),
    "step_twice": whole("schedule = warmup(2) -> step(at = [3, 3, 5])"),
    "factor_of_zero": whole("schedule = exponential(0)"),
    "warm_up_without_an_end": whole("schedule = warmup(50) -> cosine") + "train short {\n    epochs = 3\n}\n",
    "cutout_of_everything": whole("augment = flip -> cutout(28)") + "preprocess {\n    images = normalize(0.5, 0.5)\n}\n",
    "loss_that_is_to_grow": recipe("loss = cross_entropy(logits) - 0.5 * mse(logits, target)", SGD, EPOCHS),
    "loss_that_counts_for_nothing": recipe("loss = cross_entropy(logits) + 0 * mse(logits, target)", SGD, EPOCHS),
    "top_of_all": whole() + "eval {\n    metrics = [accuracy, top(10)]\n}\n",
    "loss_of_two_shapes": recipe("loss = mse(logits, image)"),
    "loss_of_classes_as_numbers": recipe("loss = mse(logits, label)"),
    "loss_of_classes_with_a_target": recipe("loss = cross_entropy(logits, target)"),
    "loss_of_too_many": recipe("loss = mse(logits, target, mask, image)"),
    "loss_without_space": recipe("loss = total_variation(logits)"),
    "loss_without_weights": recipe("loss = mse(image, image)"),
    "head_without_weights": model(
        "head aux { global_avg_pool }",
        "flatten",
        "dense(3) as logits",
        after=f"train {{\n    loss = cross_entropy(aux)\n    {SGD}\n}}\n",
    ),
    "head_without_weights_beside_another": model(
        "head aux { global_avg_pool }",
        "flatten",
        "dense(3) as logits",
        after=f"train {{\n    loss = cross_entropy(logits) + 0.3 * cross_entropy(aux)\n    {SGD}\n    {EPOCHS}\n}}\n",
    ),
    "everything_is_frozen": recipe("freeze = logits"),
    "recipe_in_a_recipe": recipe("freeze = 3"),
    # more of text, names and values
    "closed_otherwise": model("conv(6, 5x5] -> relu"),
    "two_steps_on_a_line": model("conv(6, 5x5) relu"),
    "nothing_repeats": model("relu * -> tanh"),
    "half_a_shape": model("relu :"),
    "stray_sign": model("relu @ tanh"),
    "unfinished_text": recipe('labels = ["a, b]', kind="preprocess"),
    "step_in_a_recipe": model("relu", after="train {\n    conv(3, 3x3)\n}\n"),
    "share_with_other_channels": model("share enc = conv(8, 3x3)", "enc -> enc"),
    "share_with_arguments": model("share enc = conv(8, 3x3)", "enc(3)"),
    "argument_of_defaults": model("defaults { conv(3, pad = same) }", "conv(3, 3x3)"),
    "defaults_of_nothing": model("defaults { convv(pad = same) }", "conv(3, 3x3)"),
    "template_without_arguments": "model m(n) {\n" + IN + "    conv(n, 1x1)\n}\n",
    "argument_of_an_instance": "model t(n) {\n" + IN + "    conv(n, 1x1)\n}\nmodel m = t(k = 3)\n",
    "head_in_a_block": model("b", before="block b { relu; head aux { dense(3) } }\n"),
    "output_of_nothing": model("relu as early", "output erly"),
    "input_left_open": "model m {\n    input i: _x4x3\n    relu\n}\n",
    "five_sizes": "model m {\n    input i: 2x2x2x2x2\n    relu\n}\n",
    "size_of_zero": "model m {\n    input i: 0x4x3\n    relu\n}\n",
    "batch_as_a_symbol": "model m {\n    input i: NxNx3\n    relu\n}\n",
    "symbol_of_another": "model m {\n    input i: HxWx3 where K % 2 == 0\n    relu\n}\n",
    "symbol_of_an_earlier_input": "model m {\n    input i: HxWx3 where H % 2 == 0\n    input j: HxWx3 where H % 64 == 0\n"
    "    i -> relu\n}\n",
    "side_of_a_vector": model("flatten as flat", "conv(flat.height, 1x1)"),
    "number_compared_with_a_word": model("b(option = B)", before=OPTIONS.replace("== A", "== 3")),
    "list_as_a_number": model("conv([6], 5x5)"),
    "function_of_a_word": model("conv(max(6, true), 5x5)"),
    "function_of_two": model("conv(len([1], [2]), 5x5)"),
    "block_as_a_number": model("conv(b, 5x5)", before="block b { relu }\n"),
    "block_with_branches": model("b { x: relu }", before="block b { relu }\n"),
    "text_as_a_value": model('conv("6", 5x5)'),
    "range_as_a_value": model("conv(1..3, 5x5)"),
    "two_parameters_of_one_name": model("b(1)", before="block b(n, n) { conv(n, 1x1) }\n"),
    "pad_larger_than_the_window": model("max_pool(2x2, pad = 2)"),
    "gate_of_another_size": model("multiply { value: identity; gate: conv(2, 1x1) }"),
    "instance_of_itself": "model m = m(n = 3)\n",
    # limits of the text
    "many_bytes": "#" * 530_000,
    "many_lines": "\n" * 10_001,
    "many_words": "a " * 100_001,
    "deep_brackets": "model m {\n" + "{" * 101 + "\n",
    # several at once, and no consequences
    "several": model(
        "conv(6, 5x5) -> rellu -> max_pol(2x2) : 9x9x9",
        "add { a: conv(3, 2x2); b: identity } -> tanh",
        "dense(classes) as logits",
        after="train { loss = cross_entropy(logits); bach = 3 }\n",
    ),
    "one_cause_in_many_places": model("b * 50", before="block b { conv(6, 99x99) -> relu -> tanh }\n"),
    # warnings
    "warning_momentum": model("batch_norm(momentum = 0.1)"),
    "warning_not_carried_out": whole("precision = bf16", "augment = flip -> cutout(8) -> noise(0.1)")
    + "eval crops { views = resize([28, 32]) -> ten_crop(28) }\n"
    + "task t { input = meshgrid; loss = mse(output, image); steps = 9 }\n",
    "warning_bias": model("conv(6, 5x5) -> batch_norm"),
    "warning_unused": model(
        "share enc = relu",
        "conv(3, 1x1) as forgotten",
        "i -> relu",
        before="block never(n) { conv(n, 1x1) }\nblock some(n, k = 3) { conv(n, 1x1) }\n",
    ).replace("i -> relu", "image -> some(3)"),
    "warning_input": "model m {\n    input a: 4x4x1\n    input b: 4x4x1\n    a -> relu\n}\n",
    "warning_repeated": model("conv(6, 5x5) -> relu * 3", "max_pool(2x2) * 2"),
    "warning_shapes": model("conv(6, 3x3) -> max_pool(2x2)", "conv(6, 3x3)", "max_pool(2x2)"),
    "warning_dropout": model("flatten -> dense(10) -> dropout(0.5)"),
    "warning_twice": model("conv(6, 5x5) -> relu", "relu"),
}
