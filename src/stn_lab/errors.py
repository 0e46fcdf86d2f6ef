"""The one exception that the command shows as a single line, without a traceback."""


class UserError(Exception):
    """Something the person at the keyboard can mend; the message says what and how."""


class UnusableCheckpoint(UserError):
    """A checkpoint that is missing, damaged or of another model."""
