"""What every service is built from: the factory, errors, paging, limits, uploads and downloads."""
