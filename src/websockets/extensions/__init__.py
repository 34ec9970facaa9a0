"""Extensions (RFC 6455 §9): the classes to build on; permessage-deflate is in its module."""

from .base import ClientExtensionFactory, Extension, ServerExtensionFactory


__all__ = ["ClientExtensionFactory", "Extension", "ServerExtensionFactory"]
