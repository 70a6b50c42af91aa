"""Files from a mirror: http(s), S3 or a folder, resumed, checked, and whole under their final names or not there."""
