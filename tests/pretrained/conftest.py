from model_fixtures import model_folders, photo_files  # noqa: F401
