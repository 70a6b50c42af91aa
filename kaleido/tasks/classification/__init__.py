"""Category, sub-category and attribute recognition (the paper's tasks CR and SUB)."""
