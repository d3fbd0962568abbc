"""No deadline for a single example: a busy machine is no defect of the model."""

from hypothesis import settings

settings.register_profile("model", deadline=None)
settings.load_profile("model")
