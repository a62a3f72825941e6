"""From `_HANDLER` to a callable, with AWS's error for each way this can fail."""

import sys

from .failures import RuntimeFault, _shown


def load_handler(name: str):
    """Import the module of `package/module.function` (dots do as well) and give its function."""
    try:
        module_name, function_name = name.rsplit(".", 1)
    except ValueError as error:
        raise RuntimeFault(
            "Runtime.MalformedHandlerName", "Bad handler '%s': %s" % (name, error)
        ) from None
    module = _import_module(module_name)
    try:
        return getattr(module, function_name)
    except AttributeError:
        raise RuntimeFault(
            "Runtime.HandlerNotFound",
            "Handler '%s' missing on module '%s'" % (function_name, module_name),
        ) from None


def _import_module(name: str):
    dotted = name.replace("/", ".")
    if dotted.partition(".")[0] in sys.builtin_module_names:
        raise RuntimeFault(
            "Runtime.BuiltInModuleConflict",
            "Cannot use built-in module %s as a handler module" % name,
        )
    if dotted.startswith("."):
        raise TypeError(
            "the 'package' argument is required to perform a relative import for %r" % dotted
        )
    try:
        # Not importlib.import_module: its frames would stand in every trace of a failed Init.
        __import__(dotted)
        return sys.modules[dotted]
    except ImportError as error:
        raise RuntimeFault(
            "Runtime.ImportModuleError", "Unable to import module '%s': %s" % (name, error)
        ) from None
    except SyntaxError as error:
        line = '  File "%s" Line %s\n    %s' % (
            _shown(error.filename or "<string>"),
            error.lineno,
            error.text or "",
        )
        raise RuntimeFault(
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module '%s': %s" % (name, error),
            [line],
        ) from None
