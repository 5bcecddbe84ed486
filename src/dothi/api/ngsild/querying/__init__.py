"""Finding and retrieving entities: the query languages, pages, linked entities, discovery."""
