"""Words of other tools and of the papers, and what they are called here: PyTorch, Keras, Caffe, Darknet.

A word stands folded: lower case, without `_` and `-`; `spelling.folded` also drops a `2d` at its end where that helps.
"""

from __future__ import annotations

from collections.abc import Iterable

# What it is called here: the first of these that could stand where the word stands. One line holds one meaning.
_NAMES: dict[tuple[str, ...], str] = {
    # steps
    ("conv",): "convolution convolutional convolve convlayer",
    ("conv_transpose",): "deconv deconvolution transposedconv convtransposed upconv transposeconv",
    ("depthwise_conv",): "depthwise dwconv",
    ("dense",): "linear fc fullyconnected innerproduct ip",
    ("max_pool",): "maxpooling pool pooling subsample",
    ("avg_pool",): "avgpooling averagepooling averagepool meanpool",
    ("global_avg_pool",): "gap globalaveragepooling globalaveragepool globalavgpooling adaptiveavgpool adaptiveaveragepool",
    ("global_max_pool",): "gmp globalmaxpooling adaptivemaxpool",
    ("batch_norm",): "bn batchnormalization batchnormalisation",
    ("layer_norm",): "ln layernormalization layernormalisation",
    ("group_norm",): "gn groupnormalization groupnormalisation",
    ("instance_norm",): "instancenormalization instancenormalisation",
    ("lrn",): "localresponsenorm localresponsenormalization localresponsenormalisation",
    ("silu",): "swish",
    ("leaky_relu",): "leaky lrelu",
    ("sigmoid",): "logistic",
    ("reshape",): "view",
    ("pad",): "padding zeropad zeropadding",
    ("crop",): "cropping",
    ("upsample",): "upsampling interpolate unpool unpooling resize",
    ("depth_to_space",): "pixelshuffle",
    ("space_to_depth",): "pixelunshuffle reorg",
    ("channel_shuffle",): "shuffle",
    ("concat",): "concatenate concatenation cat merge route",
    ("add",): "sum plus eltwise",
    ("multiply",): "mul prod times",
    ("subtract",): "sub minus",
    ("maximum",): "max maxout",
    ("identity",): "noop passthrough skip",
    ("dropout",): "drop",
    ("spatial_dropout",): "dropout2d dropout3d",
    ("stochastic_depth",): "droppath",
    ("noise",): "gaussiannoise",
    # options of steps
    ("kernel", "window"): "kernelsize ksize kernelshape filtersize size poolsize windowsize window kernel",
    ("filters", "units", "channels"): "outchannels outputchannels numfilters nfilters numoutput outfeatures outputs features "
    "neurons nodes filter unit",
    ("stride",): "strides",
    ("dilation",): "dilations dilationrate atrous",
    ("groups",): "group numgroups",
    ("bias",): "usebias withbias biasterm",
    ("pad_mode", "mode"): "paddingmode",
    ("init",): "initializer kernelinitializer weightinit",
    ("multiplier",): "depthmultiplier",
    ("output_pad",): "outputpadding",
    ("count_padding",): "countincludepad",
    ("eps",): "epsilon",
    ("rate",): "p prob probability droprate dropoutrate lr learningrate stepsize alpha",
    ("slope",): "negativeslope alpha leak",
    ("factor",): "scalefactor scale gamma",
    ("method",): "mode interpolation",
    ("block",): "blocksize upscalefactor downscalefactor def layer module",
    # words of options
    ("true",): "yes on",
    ("false",): "no off none null",
    ("valid",): "none no nopad",
    ("same_symmetric",): "half",
    ("zero",): "zeros constant",
    ("edge",): "replicate nearest",
    ("reflect",): "mirror symmetric",
    ("bilinear",): "linear bicubic",
    ("he_normal",): "he kaiming kaimingnormal msra",
    ("he_uniform",): "kaiminguniform",
    ("glorot_uniform",): "xavier glorot xavieruniform",
    ("glorot_normal",): "xaviernormal",
    # recipes: keys
    ("batch",): "batchsize bs minibatch minibatchsize",
    ("accumulate",): "gradaccumulation gradientaccumulation accumulationsteps gradaccumsteps gradientaccumulationsteps "
    "accumulategradbatches accumsteps accumiter microbatches parts",
    ("epochs", "steps"): "epoch nepochs numepochs maxepochs",
    ("steps",): "iterations iters iter maxiter niter numsteps",
    ("loss",): "criterion lossfunction lossfn objective",
    ("optimizer",): "optimiser opt optim solver",
    ("schedule",): "scheduler lrscheduler lrschedule lrpolicy learningrateschedule",
    ("data",): "dataset traindata trainset",
    ("augment", "images"): "augmentation augmentations transform transforms",
    ("seed",): "randomseed manualseed",
    ("clip",): "gradclip clipnorm gradientclipping clipgradients",
    ("validate",): "validation val valsplit validationsplit",
    ("precision",): "dtype amp",
    ("average",): "ema",
    ("labels",): "classes classnames names",
    ("images",): "image input pictures",
    ("views",): "tta crops",
    # recipes: what an optimizer, a schedule, a loss is called and takes
    ("sgd",): "momentum nesterov sgdm momentumsgd gradientdescent",
    ("weight_decay",): "decay wd l2 weightdecayrate regularization",
    ("decay",): "rho alpha",
    ("momentum",): "decay",
    ("step",): "steplr multistep multisteplr stepdecay",
    ("exponential",): "exponentiallr exponentialdecay exp",
    ("cosine",): "cosineannealing cosineannealinglr cosinedecay",
    ("plateau",): "reducelronplateau reduceonplateau",
    ("constant",): "none fixed const",
    ("every",): "stepsize decaysteps",
    ("at",): "milestones steps boundaries",
    ("cross_entropy",): "crossentropyloss categoricalcrossentropy sparsecategoricalcrossentropy softmaxcrossentropy nll "
    "nllloss ce xent softmaxwithloss",
    ("binary_cross_entropy",): "bce bceloss bcewithlogits bcewithlogitsloss",
    ("mse",): "mseloss meansquarederror l2 l2loss",
    ("mae",): "l1 l1loss meanabsoluteerror",
    ("huber",): "smoothl1 smoothl1loss",
    ("total_variation",): "tv",
    ("accuracy",): "acc",
    ("float32",): "float fp32 single",
    ("float64",): "double fp64",
    ("fp16",): "float16 half",
    ("bf16",): "bfloat16",
    # what a file is made of
    ("train",): "training fit",
    ("eval",): "test testing evaluate evaluation",
    ("preprocess",): "preprocessing transforms",
    ("model",): "net network",
    # image steps
    ("flip",): "randomflip randomhorizontalflip horizontalflip hflip fliplr",
    ("horizontal",): "leftright lr",
    ("grey",): "gray grayscale greyscale togray rgb2gray",
    ("normalize",): "normalise norm standardize standardise",
    ("cutout",): "randomerasing erase erasing",
    ("color_jitter",): "colourjitter jitter",
}  # fmt: skip

NAMES: dict[str, tuple[str, ...]] = {}
for _ours, _theirs in _NAMES.items():
    for _word in _theirs.split():
        NAMES[_word] = (*NAMES.get(_word, ()), *_ours)

_STEP = ("conv",)
_OPTION = ("filters", "units", "kernel", "window")
_KEY = ("optimizer",)
_IMAGE = ("resize",)
# What has no name here, with what to do instead: where one of these words could have stood.
_ADVICE: list[tuple[tuple[str, ...], str, str]] = [
    (_STEP, "selu", "selu is not among the ops; elu is"),
    (_STEP, "mish", "mish is not among the ops; silu is near to it"),
    (_STEP, "separableconv", "it is two steps: depthwise_conv(3x3) -> conv(filters, 1x1)"),
    (_STEP, "activation", "an activation is a step of its own name: -> relu"),
    (_STEP, "input inputlayer", "a model's input is declared: input image: 28x28x1"),
    (_STEP, "output return", "the last value is what a body gives: leave the word out"),
    (_STEP, "sequential", "steps follow each other as they are written: { conv(6, 5x5) -> relu }"),
    (_STEP, "repeat loop", "a repetition stands behind its step: { conv(8, 3x3) -> relu } * 3"),
    (_STEP, "shortcut residual", "a skip is a branch: add { main: conv(8, 3x3, pad = same); skip: identity }"),
    (_OPTION, "activation nonlinearity act", "an activation is a step of its own: … -> relu"),
    (_OPTION, "inchannels infeatures inputchannels inputshape inputdim numinput",
     "what comes in is known from the step before: leave it out"),
    (_OPTION, "name", "a name stands behind the step: … as name"),
    (_OPTION, "dataformat layout", "shapes are always written height, width, channels: leave it out"),
    (_OPTION, "batchnorm bn", "a batch_norm is a step of its own: … -> batch_norm"),
    (_OPTION, "dropout", "a dropout is a step of its own: … -> dropout(0.5)"),
    (("round",), "ceilmode", "ceil_mode = true is written round = ceil"),
    (("rate",), "keepprob keep", "rate is the share that is dropped: keep_prob = 0.8 is rate = 0.2"),
    (("beta1",), "betas", "betas = [0.9, 0.999] is written beta1 = 0.9, beta2 = 0.999"),
    (("beta1",), "momentum", "adam's momentum is beta1"),
    (("size",), "outputsize", "the size is written as resize(28x28)"),
    (_KEY, "lr learningrate rate", "the rate belongs to the optimizer: optimizer = sgd(rate = 0.1)"),
    (_KEY, "momentum weightdecay nesterov", "it belongs to the optimizer: optimizer = sgd(rate = 0.1, momentum = 0.9)"),
    (_KEY, "metric metrics", "training tells the loss and the accuracy; others stand in eval { metrics = … }"),
    (_KEY, "device gpu cuda", "the target is chosen where it is trained: cnndsl train NET --target …"),
    (_KEY, "labels", "labels stand in preprocess"),
    (_IMAGE, "rotate rotation randomrotation randomaffine translate zoom shear",
     "affine(rotate = 10, scale = 0.9..1.1, shift = 2)"),
    (_IMAGE, "verticalflip randomverticalflip vflip flipud", "flip(vertical)"),
    (_IMAGE, "totensor tofloat rescale", "not needed: pictures come as numbers from 0 to 1"),
]  # fmt: skip

ADVICE: dict[str, list[tuple[tuple[str, ...], str]]] = {}
for _places, _theirs, _says in _ADVICE:
    for _word in _theirs.split():
        ADVICE.setdefault(_word, []).append((_places, _says))


def ours(word: str, known: Iterable[str]) -> str | None:
    """What a word of another tool, folded, is called here: the first of `known` that it may mean."""
    there = set(known)
    return next((name for name in NAMES.get(word, ()) if name in there), None)


def advice(word: str, known: Iterable[str]) -> str | None:
    """What to do instead of a word of another tool, folded, where one of `known` could stand."""
    there = set(known)
    return next((says for places, says in ADVICE.get(word, ()) if there & set(places)), None)
