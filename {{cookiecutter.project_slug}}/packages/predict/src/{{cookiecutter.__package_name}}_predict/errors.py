"""The errors of this project: each message states what was found, what was expected and what to do."""


class ProjectError(Exception):
    """Base of all errors that a user can act on; the command line prints them without a traceback."""


class ConfigError(ProjectError):
    """A setting, a parameter or a contract is missing, unknown or invalid."""


class ModelError(ProjectError):
    """A model file is absent, damaged, not of this project, or made for another contract."""


class DataError(ProjectError):
    """Rows or a table break the contract, or a file cannot be read or written."""
