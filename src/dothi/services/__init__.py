"""Layer 4, Dịch vụ: one folder per sector."""
