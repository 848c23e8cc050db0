"""The errors of this project: each message says what was found, what was expected and what to do."""


class ProjectError(Exception):
    """Base of every error that a person can act on; the command line prints it without a traceback."""


class ConfigError(ProjectError):
    """A setting, a parameter or a schema file is missing, unknown or ill-typed."""


class ModelError(ProjectError):
    """A model file is absent, damaged, foreign, or made for another contract."""


class DataError(ProjectError):
    """Rows, a table or a file break the contract or cannot be read or written."""
