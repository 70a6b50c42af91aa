"""Fashion captioning (paper section 4.2, FC)."""
