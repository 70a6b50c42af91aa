"""Downloads from a mirror (http(s), S3 or a folder): resumed, checked, and never incomplete under their final names."""
