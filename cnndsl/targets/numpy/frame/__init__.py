"""The part of an emitted module that is the same in all: threads, reading weights, images, the command.

The emitter copies classes and functions from here by their text, those that a file uses. In the emitted
module the capital names are the model's; here they stand for an empty one, so that these files are checked
like any other.
"""
