"""Layer 2, Dữ liệu: from the journal to live context and history, with grades, revisions and quarantine."""
