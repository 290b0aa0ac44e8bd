"""Is an explanation true, did it survive compression, and may one say so?"""
