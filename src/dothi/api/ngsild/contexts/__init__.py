"""Names and their IRIs: what an @context means, which ones this city keeps, and the doors that host them."""
