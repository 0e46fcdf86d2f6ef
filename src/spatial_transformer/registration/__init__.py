"""Registration: the theta that lays one image on another, and whether it does."""

from .descent import Descent
from .register import Registration, register
from .verdict import Verdict

__all__ = ["Descent", "Registration", "Verdict", "register"]
