"""Text-to-image and image-to-text retrieval: galleries, candidate lists, protocols, scorers and ranks."""
