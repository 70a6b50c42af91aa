"""The Attention-based Alignment Generator (AAG, paper section 3.2): pairs of words and patches."""
