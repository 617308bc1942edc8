"""The recurrent modules of a PyTorch model, made to run gatecell."""

from .accelerate_model import accelerate
from .report import Measured, ModuleReport, Report

__all__ = ["Measured", "ModuleReport", "Report", "accelerate"]  # pickles of earlier versions have these names
