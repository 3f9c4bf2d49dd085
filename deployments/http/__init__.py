"""The common parts of all services: the factory, errors, paging, limits, uploads and downloads."""
