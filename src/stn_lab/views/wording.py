"""How numbers and names are written on the page. What is missing is written as a dash."""

import json
import math
import re
from typing import Any

from markupsafe import Markup, escape

from .number import as_number

MISSING, MINUS = "–", "−"  # noqa: RUF001
NO_BREAK = "\N{NO-BREAK SPACE}"

# The distortions of Jaderberg et al. (2015), section 4.1, as they complete "Every image was ... at random".
DISTORTIONS = {
    "R": "rotated",
    "RTS": "rotated, scaled and shifted",
    "P": "put in perspective",
    "E": "bent elastically",
    "T": "moved about on a larger canvas",
    "TC": "moved about on a larger canvas full of clutter",
    "H": "moved and put in strong perspective",
}


def percent(value: Any) -> str:
    """12.345 is "12.3 %", 0.345 is "0.34 %"."""
    number = as_number(value)
    return f"{number:.{_decimals(number)}f} %" if math.isfinite(number) else MISSING


def whole_percent(value: Any) -> str:
    """92.3 is "92 %", -0.2 is "0 %"."""
    number = as_number(value)
    return f"{round(number)} %".replace("-", MINUS) if math.isfinite(number) else MISSING


def error(value: Any, standard_error: Any) -> str:
    """12.345 and 0.81 are "12.3 ± 0.8 %"; the second is left out when it is missing."""
    number, spread = as_number(value), as_number(standard_error)
    if not math.isfinite(number) or not math.isfinite(spread):
        return percent(number)
    digits = max(_decimals(number), 2 if spread < 0.1 else 1)
    return f"{number:.{digits}f} ± {spread:.{digits}f} %"


def count(value: Any) -> str:
    """61234 is "61,234"."""
    number = as_number(value)
    return f"{number:,.0f}" if math.isfinite(number) else MISSING


def short(value: Any, digits: int = 3) -> str:
    """A few significant digits, without an exponent for what can be read without."""
    number = as_number(value)
    if not math.isfinite(number):
        return MISSING
    text = f"{number:,.0f}" if abs(number) >= 100 else f"{number:.{digits}g}"
    return text.replace("-", MINUS)


def spread(mean: float, deviation: float) -> str:
    """Mean and standard deviation, down to the second digit of the deviation: "0.79 ± 0.11"."""
    if not deviation > 0:
        return short(mean)
    digits = max(0, 1 - math.floor(math.log10(deviation)))
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}".replace("-", MINUS)


def duration(value: Any) -> str:
    """Seconds as "44 s", "12 min" or "3.4 h"."""
    seconds = as_number(value)
    if not math.isfinite(seconds):
        return MISSING
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def unbroken(text: str) -> str:
    """A sentence in which no line ends between a number and its "±" or "%"."""
    return text.replace(" ± ", f"{NO_BREAK}±{NO_BREAK}").replace(" %", f"{NO_BREAK}%")


def plain(value: Any) -> str:
    """A setting or a version as text: a nested table becomes a list of keys and values."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(entry)}" for key, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value))
    names = {None: "none", True: "yes", False: "no"}
    return names[value] if value is None or isinstance(value, bool) else str(value)


def literal(text: Any) -> str:
    """Text as Python reads it: "runs/demo", in quotes."""
    return json.dumps(str(text), ensure_ascii=False)


def with_code(text: Any) -> Markup:
    """What stands between backticks as code, everything else as it is."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))


def distortion(code: Any) -> str:
    """What was done to the images, as it completes "Every image was ... at random"."""
    return DISTORTIONS.get(str(code), f"distorted ({plain(code)})")


def _decimals(number: float) -> int:
    return 2 if 0 < abs(number) < 1 else 1
