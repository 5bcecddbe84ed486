"""The past of entities: asked for, shown, written."""
