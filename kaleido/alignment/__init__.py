"""The Attention-based Alignment Generator (AAG, paper section 3.2): which word belongs to which patch."""
