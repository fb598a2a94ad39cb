"""Is a stored run fit to be published and cited?"""
