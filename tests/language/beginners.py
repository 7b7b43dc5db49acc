"""What beginners write who come from Python, PyTorch, Keras or C. `tests/golden/<name>.txt` holds what each must say."""

from __future__ import annotations


def model(*lines: str, shape: str = "28x28x1", after: str = "") -> str:
    """A model around some lines."""
    body = "".join(f"    {line}\n" for line in (f"input image: {shape}", *lines))
    return f"model m {{\n{body}}}\n{after}"


def recipe(*lines: str, kind: str = "train") -> str:
    """A good model with a recipe."""
    return model("flatten", "dense(10) as logits", after=f"{kind} {{\n" + "".join(f"    {x}\n" for x in lines) + "}\n")


BAD: dict[str, str] = {
    # words of other tools
    "words_in_another_case": model(
        "Conv(6, 5x5, bias = False) -> ReLU", "MaxPool2d(2x2)", "avg_pool(2x2, count_padding = True)", "LeakyReLU(0.1)",
        "Flatten"
    ),
    "words_of_keras": model(
        'Conv2D(filters = 6, kernel_size = 3, padding = "same", strides = 1)', "BatchNormalization",
        "MaxPooling2D(pool_size = 2)",
        "conv(6, 3x3, kernel_size = 3, padding = 1, use_bias = false, activation = relu)", "GlobalAveragePooling2D",
        "Dense(10)",
    ),
    "words_of_torch": model(
        "conv(in_channels = 1, out_channels = 6, kernel_size = 5)", "conv(1, 6, 5)", "batch_norm(6)", "max_pool(2)",
        "swish", "selu",
        "Dropout2d(0.5)", "AdaptiveAvgPool2d(1)", "Linear(6, 10)",
    ),
    "words_of_papers": model("deconv(3, 2x2)", "fc(10)", "fully_connected(10)", "bn", "gap", "separable_conv(8, 3x3)"),
    "recipe_of_keras": recipe(
        "data = digits", "loss = categorical_crossentropy(logits)", "optimizer = sgd(lr = 0.1)", "batch_size = 32", "epoch = 3",
        "learning_rate = 0.1", 'seed = "3"',
    ),
    "recipe_of_torch": recipe(
        "dataset = digits", "criterion = cross_entropy(logits)", "optimizer = adam(0.001, betas = [0.9, 0.99])",
        "scheduler = cosine",
        "augment = RandomHorizontalFlip -> rotate(10) -> to_tensor",
    ),
    "loss_without_a_name": model("flatten -> dense(10) -> softmax", after="train {\n    loss = cross_entropy(logits)\n}\n"),
    # sizes and shapes
    "another_x": model("conv(6, 3X3)", "conv(6, 3×3)", "conv(6, (3, 3))", "flatten : (784)",
        "dense(10) : (10,)", shape="28X28X1"),
    "shape_with_commas": model("conv(6, 5x5) : 24, 24, 6", "max_pool(2x2) : (12, 12)", shape="(28, 28, 1)"),
    "sizes_in_their_place": model("conv(5x5, 6)", "reshape(784)", "flatten -> conv(6, 3x3)"),
    "input_as_an_argument": "model m {\n    input(28, 28, 1)\n    relu\n}\nmodel k {\n    input = 28x28x1\n    relu\n}\n",
    "input_without_a_name": "model m {\n    input: 28x28x1\n    relu\n}\n",
    # steps
    "quoted_words": model('conv(6, 5x5) -> "relu"', "'conv'(6, 5x5)", "conv(6, 5x5, pad = “same”)", "relu as “a b”"),
    "quoted_option": model('conv(6, 5x5, pad = "same")'),
    "comments_of_other_languages": "// a model\n" + model("// first", "conv(6, 5x5) // second", "relu /* third",
        "  fourth */", "-- fifth", "% 6"),
    "other_arrows": model("relu => relu", "relu → relu", "relu | relu", "flatten, dense(10)", "relu > relu"),
    "arrow_first": model("-> relu"),
    "values_as_arguments": model("conv(1, 1x1) as a", "relu(a)", "max_pool(a, 1x1)", "add(input)", "add(a, image)",
        "concat(a, image)"),
    "values_assigned": model("x = conv(6, 5x5)", "y = relu(x)", "x + y", "x - y"),
    "arguments_in_other_brackets": model("conv[6, 5x5]", "conv{6, 5x5}", "conv 6 5x5", "conv(6 5x5)"),
    "dotted_words": model("nn.Conv2d(1, 6, 5)", "F.relu", "self.fc1 = nn.Linear(10, 10)"),
    "return_and_output": model("relu as y", "output: y", "output(y)", "output", "output 10", "return y"),
    "digits_and_points": model("dropout(50%)", "dropout(.5)", "relu as 2nd", "relu,"),
    "train_in_the_model": model("flatten", "train {", "    data = digits", "}"),
    # repetitions and conditions
    "loops": model(
        "for in 3 { relu }", "for 3 { relu }", "repeat 3 { relu }", "{ relu } x 3", "3 * relu", "for i in range(3):", "    relu"
    ),
    "counted_loop": model("for i in 3 { relu }", "for i in 0..3 { relu }"),
    "conditions": model(
        "if true { relu } elif true { tanh }", "if 1 = 1 { relu }", "if true && true { relu }", "if true || true { relu }",
        "if !true { relu }",
    ),
    # files
    "function": "def part(filters):\n    conv(filters, 3x3)\n    relu\n\n" + model("part(6)"),
    "class_for_a_model": "class Net(nn.Module) {\n    relu\n}\n",
    "model_with_a_colon": "model lenet:\n    input image: 28x28x1\n    relu\n",
    "model_in_quotes": 'model "lenet" {\n    relu\n}\n',
    "model_with_a_hyphen": "model le-net {\n    relu\n}\n",
    "model_with_a_digit": "model 5net {\n    relu\n}\n",
    "steps_without_a_model": "input image: 28x28x1\nconv(6, 5x5)\nrelu\n",
    "imports": "import torch\nfrom torch import nn\n" + model("relu"),
    "typed_parameter": "block b(n: int, m = 3) { conv(n, 3x3) }\n" + model("b(3)"),
    "recipe_with_colons": recipe("data: digits", "loss: cross_entropy(logits)"),
    "recipe_with_commas": recipe("data = digits,", "epochs = 3,"),
    # joins
    "branches_unpadded": model("concat {", "    a: conv(8, 3x3)", "    b: conv(8, 5x5)",
        "    pool: max_pool(3x3) -> conv(8, 1x1)", "}"),
    "branches_of_two_strides": model("concat {", "    a: conv(8, 3x3, stride = 2, pad = 1)", "    b: conv(8, 1x1)", "}"),
    "branch_without_space": model("concat { a: conv(8, 1x1); b: global_avg_pool }"),
    "skip_of_another_size": model("add {", "    main: conv(1, 3x3) -> relu -> conv(1, 3x3)", "    skip: identity", "}"),
    "skip_of_another_shape": model("add {", "    main: conv(32, 3x3, stride = 2, pad = same)", "    skip: identity", "}"),
    "sizes_in_several_words": model("conv(6, 5 x 5)", "max_pool(2 x 2)", shape="28 x 28 x 1"),
    "shape_without_a_colon": model("conv(6, 5x5) 24x24x6", "conv(6, 5x5) -> 24x24x6", "conv(6, 5x5) = 24x24x6"),
    "open_size": model("relu", shape="?x28x1"),
    "batch_in_the_shape": model("conv(6, 5x5)", shape="32x28x28x1"),
    "shape_without_channels": model("conv(6, 5x5)", shape="28x28"),
    "input_without_a_colon": "model m {\n    input 28x28x1\n    relu\n}\n",
    "steps_behind_the_input": "model m {\n    input image: 28x28x1 -> conv(6, 5x5) -> relu\n}\n",
    "name_before_as": model("x as conv(6, 5x5)"),
    "branches_with_commas": model("relu as a", "concat { a, a }", "concat [a, a]", "concat [relu]", "add { a a }"),
    "branches_without_labels": model("concat { conv(8, 1x1); conv(8, 3x3) }", "add { main: ; skip: identity }"),
    "options_with_colons": model("flatten -> dense(units: 10)"),
    "powers": model("conv(2^3, 5x5)", "conv(2**3, 5x5)"),
    "repetition_by_x": model("conv(8, 3x3, pad = same) x3"),
    "lists_without_brackets": model("for f in 16, 32 { conv(f, 3x3) }", "for f in (16, 32) { conv(f, 3x3) }"),
    "heads": model("head aux: flatten", "head { flatten }", "head(aux) { flatten }"),
    "shares": model("share conv(8, 3x3) as enc", "share enc { conv(8, 3x3) }"),
    "items_in_capitals": "Model m {\n    input image: 28x28x1\n    relu\n}\nTrain {\n    epochs = 3\n}\n",
    "statements_in_capitals": "model m {\n    Input image: 28x28x1\n    If true { relu }\n    For i in range(3) { relu }\n}\n",
    "brace_on_its_own_line": "model m\n{\n    input image: 28x28x1\n    relu\n}\n",
    "file_without_quotes": "use resnet.cnn\n" + model("relu"),
    "instances": model("relu") + "model k = m\nmodel l: m()\n",
    "recipe_assigned": model("relu", after="train = {\n    epochs = 3\n}\n"),
    "recipes_of_other_names": model("relu", after="training {\n    epochs = 3\n}\ntest {\n}\noptimizer = sgd(0.1)\n"),
    "data_as_a_path": recipe("data = ./pictures"),
    "values_of_recipes": recipe("augment = [flip, random_crop(28)]", "schedule = step(10, 0.1)"),
    "size_as_two_numbers": recipe("images = resize(28, 28)", kind="preprocess"),
    "blocks_that_are_nowhere": model("bottleneck(64)", "residual(64)", "dense(num_classes)"),
    # warnings
    "channels_first": model("conv(8, 3x3, pad = same)", shape="3x224x224"),
    "channels_first_with_notes": model("conv(8, 3x3, pad = same) : 32x32x8", "max_pool(2x2) : 16x16x8", shape="3x32x32"),
    "channels_first_and_a_preprocess": model(
        "conv(8, 3x3, pad = same)", shape="3x32x32", after="preprocess { images = resize(32x32) }\n"
    ),
    "pictures_that_do_not_fit": recipe(
        "images = grey -> resize(32x32) -> normalize(mean = [0.1, 0.2, 0.3], std = 0.3)", "labels = [a, b]", kind="preprocess"
    ),
    "numbers_for_other_channels": recipe("images = normalize(mean = [0.3, 0.3], std = [0.2, 0.2, 0.2])", kind="preprocess"),
    "numbers_for_colours_before_grey": recipe("images = normalize(mean = [0.3, 0.3], std = 0.2) -> grey", kind="preprocess"),
}  # fmt: skip
