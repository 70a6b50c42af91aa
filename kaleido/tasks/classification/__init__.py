"""Category, sub-category and attribute recognition (paper section 4.2, CR and SUB)."""
